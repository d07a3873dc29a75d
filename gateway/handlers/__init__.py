"""The handlers of a charge point's calls and answers, one module per feature profile.

Each module ends with the tables HANDLERS and OUTCOMES. HANDLERS answer the charge point's calls. OUTCOMES
store the charge point's answers to our calls.
"""

from gateway.handlers import core, firmware, local_auth, reservation, security, smart_charging
from gateway.handlers.handler import Handler, Outcome
from gateway.ocpp16.actions import OF_REQUEST
from gateway.ocpp16.messages.types import Message

HANDLERS: dict[str, Handler] = {
    OF_REQUEST[request].name: handler
    for profile in (core, firmware, security)
    for request, handler in profile.HANDLERS.items()
}
ERRANDS = frozenset(
    {"Authorize", "Heartbeat", "MeterValues", "StartTransaction", "StatusNotification", "StopTransaction"}
)
"""Calls whose handlers wait only for the store, or for nothing (state/errand.py)."""
OUTCOMES: dict[type[Message], Outcome] = {
    request: outcome
    for profile in (core, firmware, local_auth, reservation, security, smart_charging)
    for request, outcome in profile.OUTCOMES.items()
}
