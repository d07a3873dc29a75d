"""The last answers on a connection. A charge point that believes a call was lost repeats the call.

A repeat is the same frame, byte for byte. The message id alone does not show a repeat, because some charge
points restart their ids at each boot.

The answers to Heartbeat and BootNotification are not kept, because they hold the present time. A repeated
Heartbeat or BootNotification is handled like a new call. A CALLERROR is not kept either, so that the repeated
call can succeed.

A repeated BootNotification still counts as a repeat, because it shows that the charge point did not accept
the answer. A repeated Heartbeat does not count, because Heartbeats repeat too often to show anything.
"""

from typing import Final

from gateway.ocpp16.frames import MessageId

KEPT: Final = 4
"""Number of answers that are kept for each connection.

A few suffice, because a charge point repeats only the call whose answer it still awaits.
"""

_KEPT_BYTES: Final = 2048
AFRESH: Final = b""
"""Value that is kept instead of an answer. A repeat of the call is then handled like a new call."""


class Repeats:
    __slots__ = ("_answers",)

    def __init__(self) -> None:
        self._answers: dict[tuple[MessageId, int], bytes] = {}

    def answer_to(self, id_: MessageId, fingerprint: int) -> bytes | None:
        """Return the answer that the same frame got before. None means that the frame is new."""
        return self._answers.get((id_, fingerprint))

    def keep(self, id_: MessageId, action: str, fingerprint: int, answer: bytes) -> None:
        """Keep the answer. `fingerprint` is a 64-bit hash of the call's frame, with a key of this process."""
        if action == "Heartbeat" or len(answer) > _KEPT_BYTES:
            return
        if action == "BootNotification":
            answer = AFRESH
        if len(self._answers) >= KEPT:
            del self._answers[next(iter(self._answers))]
        self._answers[id_, fingerprint] = answer
