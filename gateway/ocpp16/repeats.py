"""The last answers of a connection, for a charge point that repeats a call it thinks lost.

A repeat is the same frame, byte for byte: message ids restart at boot and are no safe key alone.
Heartbeat and BootNotification are answered afresh, their answers being times; a CALLERROR is never
kept, for the retry is the chance to succeed. Of a boot only its having come is kept, as a repeat tells of a
charge point that did not take the answer; Heartbeats repeat too often to say anything.
"""

from typing import Final

from gateway.ocpp16.frames import MessageId

KEPT: Final = 4
"""Answers kept per connection; charge points repeat the call they wait for, so the last one matters."""

_KEPT_BYTES: Final = 2048
AFRESH: Final = b""
"""In an answer's place: answer anew."""


class Repeats:
    __slots__ = ("_answers",)

    def __init__(self) -> None:
        self._answers: dict[tuple[MessageId, int], bytes] = {}

    def answer_to(self, id_: MessageId, fingerprint: int) -> bytes | None:
        return self._answers.get((id_, fingerprint))

    def keep(self, id_: MessageId, action: str, fingerprint: int, answer: bytes) -> None:
        """`fingerprint` is a hash of the whole frame: 64 bits, keyed per process."""
        if action == "Heartbeat" or len(answer) > _KEPT_BYTES:
            return
        if action == "BootNotification":
            answer = AFRESH
        if len(self._answers) >= KEPT:
            del self._answers[next(iter(self._answers))]
        self._answers[id_, fingerprint] = answer
