"""The calls that a charge point repeats because it thinks that their answers were lost.

A repeat is the same frame, byte for byte. The message id alone does not show a repeat, because some charge
points restart their ids at each boot, or number every call 0. Such a charge point may even send the same
bytes with a new meaning, for example a StatusNotification without a time. So csms counts repeats, but handles
a repeated call like a new call. The store finds out by the content of a fact whether it knows the fact.

Only the answers to DataTransfer and SignCertificate are kept, because handling these calls twice would list
the data or the request twice. Such an answer is given again only if no other call came in between, and within
60 s.

A repeated Heartbeat does not count, because Heartbeats repeat too often to show anything.
"""

from typing import Final

from gateway.ocpp16.frames import MessageId

REMEMBERED: Final = 4
"""Calls remembered for each connection.

A few suffice, because a charge point repeats only the call whose answer it still awaits.
"""
KEPT_S: Final = 60.0
"""Time for which an answer is kept, in seconds."""
ANSWERED_AGAIN: Final = frozenset({"DataTransfer", "SignCertificate"})
_KEPT_BYTES: Final = 2048

type _Call = tuple[MessageId, int]


class Repeats:
    __slots__ = ("_answer", "_answer_to", "_answered_at", "_calls")

    def __init__(self) -> None:
        self._calls: dict[_Call, None] = {}
        self._answer_to: _Call | None = None
        self._answer = b""
        self._answered_at = 0.0

    def is_repeat(self, id_: MessageId, fingerprint: int) -> bool:
        return (id_, fingerprint) in self._calls

    def answer_to(self, id_: MessageId, fingerprint: int, now: float) -> bytes | None:
        """Return the answer to give again. None means that the call must be handled."""
        if self._answer_to != (id_, fingerprint) or now - self._answered_at > KEPT_S:
            return None
        return self._answer

    def keep(self, id_: MessageId, action: str, fingerprint: int, answer: bytes, now: float) -> None:
        """Remember an answered call.

        `fingerprint` is a 64-bit hash of the frame, with a key of this process.
        """
        if action == "Heartbeat":
            return
        call, calls = (id_, fingerprint), self._calls
        if len(calls) >= REMEMBERED:
            del calls[next(iter(calls))]
        calls[call] = None
        keeps = action in ANSWERED_AGAIN and len(answer) <= _KEPT_BYTES
        self._answer_to = call if keeps else None
        if keeps:
            self._answer, self._answered_at = answer, now
