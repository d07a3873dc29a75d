"""A dialogue with a Protocol as one expression, compared as a whole with what the Protocol did.

    assert (
        Playbook(Protocol(Role.CENTRAL_SYSTEM))
        >> b'[2,"a","Heartbeat"]'
        << Like(IncomingCall, id="a", request=core.Heartbeat())
        << {"payload_missing": 1}
        >> Answer(core.HeartbeatResult(current_time="now"))
        << b'[3,"a",{"currentTime":"now"}]'
    )

`>>` adds a step: a frame from the peer, or an object of one of the step classes below. Each `<<` after it
adds an expected outcome of that step: a frame to send (bytes as they are, or a list as JSON), the value that
`receive` or `tick` returned, or the counted faults. All outcomes of a step must be given, the counted faults
last. A playbook that is not asserted fails its test.
"""

import json
from collections.abc import Iterator
from difflib import ndiff
from typing import Any, NamedTuple, Self, override

from gateway.ocpp16.errors import ErrorCode
from gateway.ocpp16.messages.types import Message
from gateway.ocpp16.protocol import Protocol, Role
from gateway.ocpp16.received import IncomingCall, Reply


class Call(NamedTuple):
    request: Message
    id: str
    now: float = 0
    timeout: float | None = None


class Answer(NamedTuple):
    """Step that answers the last received call."""

    result: Message


class Refuse(NamedTuple):
    """Step that refuses the last received call."""

    code: ErrorCode
    description: str = ""
    details: dict[str, Any] | None = None


class Tick(NamedTuple):
    now: float


class Like:
    """Equals any object of class `kind` that has these attributes."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, kind: type, **attributes: object) -> None:
        self._kind, self._attributes = kind, attributes

    @override
    def __eq__(self, other: object) -> bool:
        found = {name: getattr(other, name, None) for name in self._attributes}
        return isinstance(other, self._kind) and found == self._attributes

    @override
    def __repr__(self) -> str:
        return f"{self._kind.__name__}({', '.join(f'{n}={v!r}' for n, v in self._attributes.items())})"


class _Frame(bytes):
    __hash__ = bytes.__hash__

    @override
    def __eq__(self, other: object) -> bool:
        return bool(json.loads(self) == other) if isinstance(other, list) else super().__eq__(other)


class Playbook:
    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._script: list[tuple[str, object]] = []
        self._asserted = False
        self._incoming: IncomingCall

    def __rshift__(self, step: bytes | str | Call | Answer | Refuse | Tick) -> Self:
        self._script.append((">>", step))
        return self

    def __lshift__(self, outcome: object) -> Self:
        self._script.append(("<<", outcome))
        return self

    def __bool__(self) -> bool:
        self._asserted = True
        played: list[tuple[str, object]] = []
        for arrow, step in self._script:
            if arrow == ">>":
                played += [(arrow, step), *(("<<", outcome) for outcome in self._play(step))]
        if played == self._script:
            return True
        # Where an outcome equals the expected one, both sides of the comparison show the same words.
        expected = [is_ if is_ == due else due for due, is_ in zip(self._script, played, strict=False)]
        expected += self._script[len(expected) :]
        diff = ndiff(_lines(expected), _lines(played))
        raise AssertionError("\n".join(["expected (-) is not what happened (+):", *diff]))

    def __del__(self) -> None:
        if not self._asserted:
            raise AssertionError(f"a playbook was never asserted: {self._script}")

    def _play(self, step: object) -> Iterator[object]:
        protocol = self._protocol
        match step:
            case Call(request, id_, now, timeout):
                yield _Frame(protocol.call(request, id_, now, timeout=timeout))
            case Answer(result):
                yield _Frame(protocol.answer(self._incoming, result))
            case Refuse(code, description, details):
                yield _Frame(protocol.refuse(self._incoming, code, description, details))
            case Tick(now):
                yield from filter(None, [protocol.tick(now)])
            case bytes() | str():
                match protocol.receive(step):
                    case Reply(frame):
                        yield _Frame(frame)
                    case received:
                        if isinstance(received, IncomingCall):
                            self._incoming = received
                        yield received
        if faults := protocol.take_faults():
            yield dict(faults)


def _lines(script: list[tuple[str, object]]) -> list[str]:
    return [f"{arrow} {what!r}" for arrow, what in script]


def central(*, strict: bool = False) -> Playbook:
    return Playbook(Protocol(Role.CENTRAL_SYSTEM, strict=strict))


class _Text:
    """Equals any text that a CALLERROR may have as description."""

    __hash__ = None  # type: ignore[assignment]

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and len(other) <= 255


def refused(id_: str | int, code: str) -> list[Any]:
    """Return a CALLERROR with any description."""
    return [4, id_, code, _Text(), {}]
