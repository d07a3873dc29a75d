"""What an operator should know beside a charge point's answer. Warned of is much, refused almost nothing.

Our view of a charge point may be old or wrong, and a test may want the wrong thing sent on purpose. One file
per feature profile, its table at the foot.
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
    """Sentences for people, each saying what is odd and why it may matter. Raises StoreUnavailable."""
    found = list(_check_registration(view))
    if (warner := _WARNERS.get(type(request))) is not None:
        try:
            found += await warner(request, view)
        except StateError:
            raise
        except Exception:  # noqa: BLE001  a defect of ours in a mere warning must not hold the command back
            _log.exception("warning.failed", request=type(request).__name__)
            found.append("What else is odd about this cannot be told, through a fault of ours.")
    return tuple(found)


def _check_registration(view: View) -> list[str]:
    if view.record.boot_status == "Rejected":
        return ["The charge point was answered Rejected: until it boots again neither side should call."]
    if view.record.boot_status is None and view.record.awaiting_release:
        return ["The charge point is held back and has not booted yet: what it sends of itself is refused."]
    return []
