"""Warnings about doubtful commands. The commands are sent, and the API shows the warnings in its answer.

Almost no command is refused, because what csms knows of a charge point may be old or wrong, and a tester may
send wrong commands on purpose. Each feature profile has a file. The table at the end of each file has the
function that checks each request.
"""

import structlog

from admin.commands.warnings import (
    configuration,
    core,
    local_auth,
    remote_trigger,
    reservation,
    security,
    smart_charging,
)
from admin.commands.warnings.view import View, Warner
from gateway.ocpp16.messages.types import Message
from state.errors import StateError

__all__ = ["View", "warnings_for"]

_WARNERS: dict[type[Message], Warner] = {
    request: warner
    for profile in (core, configuration, local_auth, remote_trigger, reservation, security, smart_charging)
    for request, warner in profile.WARNERS.items()
}

_log = structlog.get_logger("csms.admin")


async def warnings_for(request: Message, view: View) -> tuple[str, ...]:
    """Return sentences, each of which says what is doubtful about the command. Raises StoreUnavailable."""
    found = list(_check_registration(view))
    if (warner := _WARNERS.get(type(request))) is not None:
        try:
            found += await warner(request, view)
        except StateError:
            raise
        except Exception:  # noqa: BLE001  a bug in a warning must not hold the command back
            _log.exception("warning.failed", request=type(request).__name__)
            found.append("Other warnings are missing because of a bug in csms; the logs have the details.")
    return tuple(found)


def _check_registration(view: View) -> list[str]:
    if view.waits_s is not None:
        return []  # The command is sent only when the charge point is accepted.
    if view.record.boot_status == "Rejected":
        return ["The charge point was answered Rejected: neither side should call until it boots again."]
    if view.record.boot_status is None and view.record.awaiting_release:
        return ["The charge point waits for its release and has not booted yet: its own calls are refused."]
    return []
