"""What we do when a charge point speaks: one file per feature profile, its tables at the foot.

HANDLERS answer its calls; OUTCOMES remember its answers to ours.
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
OUTCOMES: dict[type[Message], Outcome] = {
    request: outcome
    for profile in (core, firmware, local_auth, reservation, security, smart_charging)
    for request, outcome in profile.OUTCOMES.items()
}
