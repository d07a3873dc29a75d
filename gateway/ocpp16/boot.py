"""What may be said before the central system has accepted the charge point (section 4.2, errata 3.10).

| registration | the charge point may send        | we may send                                     |
|--------------|----------------------------------|-------------------------------------------------|
| Accepted     | everything                       | everything                                      |
| none yet     | everything, counted as `no_boot` | everything                                      |
| Pending      | BootNotification, what we        | everything but RemoteStartTransaction and       |
|              | triggered                        | RemoteStopTransaction                           |
| Rejected     | BootNotification                 | nothing                                         |

"None yet" is a charge point of which no BootNotification was ever seen: many reconnect without one
(Q17, Q18), so where the policy is to accept, it is served. Where the policy holds charge points back
(first answer Pending or Rejected), one that never booted is treated as the policy's answer.
The refusal is CALLERROR SecurityError. It holds for facts too, by the operator's choice: the charge
point keeps and repeats them.
"""

from collections.abc import Collection
from typing import Final, Literal

from gateway.ocpp16.core import RegistrationStatus

type Verdict = Literal["served", "no_boot", "refused"]

REFUSAL: Final = "SecurityError"
_NOT_WHILE_PENDING: Final = frozenset({"RemoteStartTransaction", "RemoteStopTransaction"})


def may_receive(
    action: str,
    registration: RegistrationStatus | None,
    *,
    policy: RegistrationStatus = "Accepted",
    triggered: Collection[str] = (),
) -> Verdict:
    """Judge a charge point's call; `registration` is the answer to its last BootNotification.

    `no_boot` is served, and counted. `policy` is what a BootNotification would be answered now.
    """
    if action == "BootNotification" or registration == "Accepted":
        return "served"
    if registration is None and policy == "Accepted":
        return "no_boot"
    held = registration or policy
    return "served" if held == "Pending" and action in triggered else "refused"


def may_send(action: str, registration: RegistrationStatus | None) -> bool:
    """Whether the specification lets us send a charge point this call now."""
    if registration == "Rejected":
        return False
    return registration != "Pending" or action not in _NOT_WHILE_PENDING
