"""The charge point of the test tool: it sends the messages of the step list and judges each received frame.

The charge point uses the `websockets` package and no code of the transport under test. If the central system
sends a frame that is not OCPP, that does not fit the official schema, or that no step expects, every later
call of a method raises Violation.
"""

import itertools
import json
import math
from typing import Any, NamedTuple

import trio
from websockets import ConnectionClosed
from websockets.trio.client import ClientConnection

from tests.support import official_schemas
from tests.support.waiting import GENEROUS_S

QUIET_S = 0.05

# The error codes of OCPP-J 1.6, spelled as in its table 7.
CODES = frozenset(
    {
        "NotImplemented",
        "NotSupported",
        "InternalError",
        "ProtocolError",
        "SecurityError",
        "FormationViolation",
        "PropertyConstraintViolation",
        "OccurenceConstraintViolation",
        "TypeConstraintViolation",
        "GenericError",
    }
)

type Json = dict[str, Any]


class Violation(AssertionError):  # noqa: N818  the word of the step lists' reader, not an error of ours
    """The central system did something that the case does not allow."""


class Call(NamedTuple):
    """A call that a step expects from the central system."""

    id: str
    action: str
    payload: Json


class Station:
    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket
        self.heard: list[Call] = []
        self._ids = itertools.count(1)
        self._outstanding: tuple[str, str] | None = None
        self._expected: str | None = None
        self._why = ""
        self._gone = False
        self._answers, self._answered = trio.open_memory_channel[list[Any]](math.inf)
        self._calls, self._called = trio.open_memory_channel[Call](math.inf)

    # --- The charge point speaks ---

    async def exchange(self, action: str, payload: Json) -> list[Any]:
        """Send a call and return the whole answer, a valid CALLRESULT or a CALLERROR."""
        assert official_schemas.faults(action, official_schemas.read(json.dumps(payload))) == [], (
            "the case itself is wrong"
        )
        id_ = f"octt-{next(self._ids)}"
        self._outstanding = id_, action
        await self._send([2, id_, action, payload])
        return await self._take(self._answered, f"no answer to {action}")

    async def call(self, action: str, payload: Json) -> Json:
        """Send a call and return the payload of its CALLRESULT. Raises Violation for a CALLERROR."""
        frame = await self.exchange(action, payload)
        if frame[0] != 3:
            raise Violation(f"{action} was answered {frame}")
        found: Json = frame[2]
        return found

    # --- The central system speaks ---

    def expect(self, action: str) -> None:
        """Expect this call next. A call that no step expects is a violation."""
        self._expected = action

    async def expected(self) -> Call:
        return await self._take(self._called, f"no {self._expected} came")

    async def answer(self, call: Call, payload: Json) -> None:
        assert (
            official_schemas.faults(f"{call.action}Response", official_schemas.read(json.dumps(payload)))
            == []
        )
        await self._send([3, call.id, payload])

    async def quiet(self) -> None:
        """End the steps.

        Raises Violation if another message arrives after the last step, even after a short while.
        """
        for _ in () if self._gone else range(2):
            await self.exchange("Heartbeat", {})  # A charge point that is not accepted yet gets a CALLERROR.
            with trio.move_on_after(QUIET_S):
                await self._take(self._called, "")

    # --- The connection ---

    async def drop(self) -> None:
        """Cut the connection without a CLOSE, like a power failure. Raises Violation if an earlier frame
        broke a rule.
        """
        if self._why:
            raise Violation(self._why)
        self._gone = True
        await trio.aclose_forcefully(self.websocket.stream)

    async def read(self) -> None:
        try:
            async for frame in self.websocket:
                self._judge(frame)
        except ConnectionClosed as closed:
            self._break(f"the connection ended: {closed}")
        except (AssertionError, ValueError, TypeError, KeyError, IndexError) as error:
            self._break(f"{error}")
        else:
            self._break("the central system closed the connection")

    def _judge(self, frame: str | bytes) -> None:
        if not isinstance(frame, str):
            raise Violation("a binary frame came")
        match official_schemas.read(frame):
            case [2, str(id_), str(action), payload]:
                self._judge_call(Call(id_, action, payload))
            case [3, str(id_), payload]:
                action = self._asked(id_)
                if found := official_schemas.faults(f"{action}Response", payload):
                    raise Violation(f"the answer to {action} is invalid: {'; '.join(found)}: {frame}")
                self._answers.send_nowait([3, id_, payload])
            case [4, str(id_), str(code), str(description), dict(details)]:
                self._asked(id_)
                if code not in CODES or len(description) > 255:
                    raise Violation(f"not a CALLERROR of OCPP-J 1.6: {frame}")
                self._answers.send_nowait([4, id_, code, description, details])
            case _:
                raise Violation(f"not a frame of OCPP-J: {frame}")

    def _judge_call(self, call: Call) -> None:
        if not 0 < len(call.id) <= 36:
            raise Violation(f"the id of {call.action} has {len(call.id)} characters")
        if any(call.id == earlier.id for earlier in self.heard):
            raise Violation(f"the id of {call.action} was used before")
        self.heard.append(call)
        if found := official_schemas.faults(call.action, call.payload):
            raise Violation(f"{call.action} is invalid: {'; '.join(found)}: {call.payload}")
        if call.action != self._expected:
            due = f"{self._expected} was expected" if self._expected else "no call was expected"
            raise Violation(f"{call.action} {call.payload} came, but {due}")
        self._expected = None
        self._calls.send_nowait(call)

    def _asked(self, id_: str) -> str:
        if self._outstanding is None or self._outstanding[0] != id_:
            raise Violation(f"an answer came to {id_}, which is not the id of an open call")
        action, self._outstanding = self._outstanding[1], None
        return action

    async def _send(self, frame: list[Any]) -> None:
        try:
            await self.websocket.send(json.dumps(frame))
        except ConnectionClosed as closed:
            raise Violation(self._why or f"the connection ended: {closed}") from None

    async def _take[Kind](self, channel: trio.MemoryReceiveChannel[Kind], or_else: str) -> Kind:
        try:
            with trio.fail_after(GENEROUS_S):
                return await channel.receive()
        except trio.TooSlowError:
            raise Violation(f"{or_else} within {GENEROUS_S:g} s") from None
        except trio.EndOfChannel:
            raise Violation(self._why) from None

    def _break(self, why: str) -> None:
        self._why = self._why or why
        self._answers.close()
        self._calls.close()
