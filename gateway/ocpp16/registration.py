"""The messages that are allowed before a charge point is accepted (section 4.2, errata 3.10).

| registration | the charge point may send        | we may send                                     |
|--------------|----------------------------------|-------------------------------------------------|
| Accepted     | everything                       | everything                                      |
| none yet     | everything, counted as `no_boot` | everything                                      |
|   (strict)   | BootNotification                 |                                                 |
| Pending      | BootNotification, and messages   | everything except RemoteStartTransaction and    |
|              | that we triggered                | RemoteStopTransaction                           |
| Rejected     | BootNotification                 | the same as in Pending                          |

"None yet" means that we never saw a BootNotification of this charge point. Many charge points reconnect
without a BootNotification (Q17, Q18), so they are served if the operator's policy is Accepted. If the policy
is Pending or Rejected, a charge point that never sent a BootNotification is treated as if csms had sent an
answer with that status.

A refused message gets the CALLERROR SecurityError. Messages that report facts, such as a stop, are refused
too, because the operator chose the policy. The charge point keeps these messages and sends them again. While
the registration is Rejected, neither side should send calls, so the API warns an operator who sends a
command.
"""

from collections.abc import Collection
from typing import Final, Literal

from gateway.ocpp16.messages.core import RegistrationStatus
from gateway.ocpp16.messages.remote_trigger import TriggerMessage
from gateway.ocpp16.messages.security import ExtendedTriggerMessage
from gateway.ocpp16.messages.types import Message

type Verdict = Literal["served", "no_boot", "refused"]

REFUSAL: Final = "SecurityError"
NOT_ACCEPTED: Final = "Not accepted yet; send only BootNotification until it is answered Accepted."
_NOT_BEFORE_ACCEPTED: Final = frozenset({"RemoteStartTransaction", "RemoteStopTransaction"})


def may_receive(
    action: str,
    registration: RegistrationStatus | None,
    *,
    policy: RegistrationStatus = "Accepted",
    strict: bool = False,
    triggered: Collection[str] = (),
) -> Verdict:
    """Judge a charge point's call by `registration`, the status in the last answer to a BootNotification.

    `policy` is the answer that a BootNotification would get now. `triggered` names the actions that we asked
    the charge point to send. The verdict `no_boot` means that the call is served and counted as a fault.
    """
    if action == "BootNotification" or registration == "Accepted":
        return "served"
    if registration is None and policy == "Accepted":
        return "refused" if strict else "no_boot"
    held = registration or policy
    return "served" if held == "Pending" and action in triggered else "refused"


def name_triggered(request: Message) -> frozenset[str]:
    """Return the action that `request` asks the charge point to send, or an empty set."""
    match request:
        case TriggerMessage(requested_message=action):
            return frozenset({action})
        case ExtendedTriggerMessage(requested_message="FirmwareStatusNotification"):
            return frozenset({"SignedFirmwareStatusNotification"})
        case ExtendedTriggerMessage(requested_message="SignChargePointCertificate"):
            return frozenset({"SignCertificate"})
        case ExtendedTriggerMessage(requested_message=action):
            return frozenset({action})
        case _:
            return frozenset()


def may_send(action: str, registration: RegistrationStatus | None) -> bool:
    """Return whether we may send this call to the charge point (see the table in the module's docstring)."""
    return registration in {None, "Accepted"} or action not in _NOT_BEFORE_ACCEPTED
