"""The few commands that csms never sends, because the specification says SHALL NOT."""

from typing import Literal

from admin.http.problems import Problem
from gateway.ocpp16.messages.types import Message
from gateway.ocpp16.registration import may_send, name_triggered
from state.charge_points import ChargePointRecord

type When = Literal["now", "online"]


def check(action: str, request: Message, record: ChargePointRecord, when: When = "now") -> None:
    """Raise Problem (409) for a forbidden command. A command that is only doubtful is sent with a warning.

    A command with `when=online` is sent only while the charge point is accepted, whatever it is now.
    """
    # If the charge point has sent no BootNotification, the check uses the status that csms would answer.
    held = "Accepted" if when == "online" else record.boot_status or record.registration
    if not may_send(action, held):
        answered = "would answer" if record.boot_status is None else "answered"
        raise Problem(
            409,
            "not-accepted",
            f"{action} must not be sent to this charge point, because csms {answered} its BootNotification "
            f"with {held} (OCPP 1.6 section 4.2); release the charge point first.",
        )
    asks_to_boot = action == "TriggerMessage" and "BootNotification" in name_triggered(request)
    if asks_to_boot and when == "online":
        raise Problem(
            409,
            "already-accepted",
            "A command with when=online is sent only to a charge point that csms has accepted, and csms must "
            "not request a BootNotification after that (errata 3.40); use when=now.",
        )
    if asks_to_boot and record.boot_status == "Accepted":
        raise Problem(
            409,
            "already-accepted",
            "csms answered the BootNotification of the charge point with Accepted, and must not request "
            "another one after that (errata 3.40); send Reset to make the charge point boot.",
        )
