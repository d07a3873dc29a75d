"""The few commands that are not sent at all: what the specification says a central system SHALL NOT do."""

from admin.http.problems import Problem
from gateway.ocpp16.messages.types import Message
from gateway.ocpp16.registration import may_send, name_triggered
from state.charge_points import ChargePointRecord


def check(action: str, request: Message, record: ChargePointRecord) -> None:
    """Raises Problem (409). Everything else is sent, and warned of."""
    # One that never booted is what its boot would make of it: so its own calls are judged, too.
    held = record.boot_status or record.registration
    if not may_send(action, held):
        answered = "would be" if record.boot_status is None else "was"
        raise Problem(
            409,
            "not-accepted",
            f"{action} must not be sent to a charge point whose BootNotification {answered} answered "
            f"{held} (OCPP 1.6 section 4.2); release it first.",
        )
    asks_to_boot = action == "TriggerMessage" and "BootNotification" in name_triggered(request)
    if asks_to_boot and record.boot_status == "Accepted":
        raise Problem(
            409,
            "already-accepted",
            "A charge point whose BootNotification was answered Accepted must not be asked for another one "
            "(errata 3.40); Reset makes it boot.",
        )
