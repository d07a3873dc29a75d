"""What may be said before the central system has accepted the charge point (section 4.2, errata 3.10).

| registration | the charge point may send        | we may send                                     |
|--------------|----------------------------------|-------------------------------------------------|
| Accepted     | everything                       | everything                                      |
| none yet     | everything, counted as `no_boot` | everything                                      |
|   (strict)   | BootNotification                 |                                                 |
| Pending      | BootNotification, what we        | everything but RemoteStartTransaction and       |
|              | triggered                        | RemoteStopTransaction                           |
| Rejected     | BootNotification                 | the same: an operator who insists is warned     |

"None yet" is a charge point of which no BootNotification was ever seen: many reconnect without one
(Q17, Q18), so where the policy is to accept, it is served. Where the policy holds charge points back
(first answer Pending or Rejected), one that never booted is treated as the policy's answer.
The refusal is CALLERROR SecurityError. It holds for facts too, by the operator's choice: the charge
point keeps and repeats them.
"""

from collections.abc import Collection
from typing import Final, Literal

from gateway.ocpp16.messages.core import RegistrationStatus
from gateway.ocpp16.messages.remote_trigger import TriggerMessage
from gateway.ocpp16.messages.security import ExtendedTriggerMessage
from gateway.ocpp16.messages.types import Message

type Verdict = Literal["served", "no_boot", "refused"]

REFUSAL: Final = "SecurityError"
NOT_ACCEPTED: Final = "Only BootNotification is served before one was answered Accepted."
_NOT_BEFORE_ACCEPTED: Final = frozenset({"RemoteStartTransaction", "RemoteStopTransaction"})


def may_receive(
    action: str,
    registration: RegistrationStatus | None,
    *,
    policy: RegistrationStatus = "Accepted",
    strict: bool = False,
    triggered: Collection[str] = (),
) -> Verdict:
    """Judge a charge point's call; `registration` is the answer to its last BootNotification.

    `no_boot` is served, and counted. `policy` is what a BootNotification would be answered now.
    """
    if action == "BootNotification" or registration == "Accepted":
        return "served"
    if registration is None and policy == "Accepted":
        return "refused" if strict else "no_boot"
    held = registration or policy
    return "served" if held == "Pending" and action in triggered else "refused"


def name_triggered(request: Message) -> frozenset[str]:
    """Return the action of the call that our own call asks a charge point for; empty for none."""
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
    """Whether we send a charge point this call; what is merely ill-advised we do (see the table)."""
    return registration in {None, "Accepted"} or action not in _NOT_BEFORE_ACCEPTED
