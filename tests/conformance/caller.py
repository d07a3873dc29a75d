"""A charge point's side of OCPP: it sends one call at a time and answers the calls of the central system."""

import itertools
from collections.abc import Callable
from typing import Any

import trio

from gateway.ocpp16.messages.types import Message
from gateway.ocpp16.protocol import Protocol, Role
from gateway.ocpp16.received import CallAnswered, CallRefused, IncomingCall, Reply
from gateway.websocket.connection import Connection

CALL_S = 30.0

type Serve = Callable[[IncomingCall], Message | None]
"""A function that returns the result of a call. If it returns None, the call gets no answer."""


class CallFailed(Exception):  # noqa: N818  it says what happened
    """The central system answered with a CALLERROR, or did not answer within 30 s."""


class Caller:
    def __init__(
        self,
        connection: Connection,
        record: Callable[[float], None],
        serve: Serve,
    ) -> None:
        """`record` gets the seconds from each call to its answer."""
        self._connection = connection
        self._record = record
        self._serve = serve
        self._protocol = Protocol(Role.CHARGE_POINT, call_timeout=CALL_S)
        self._ids = itertools.count(1)
        self._turn = trio.Lock()
        self._answered = trio.Event()
        self._outcome: CallAnswered | CallRefused | None = None

    async def run(self) -> str:
        """Read until the connection ends; return its close code and reason."""
        closed = await self._connection.run(self._dispatch)
        return f"{closed.code} {closed.reason}".strip()

    async def call(self, request: Message) -> Any:
        """Send a call and return its result. Raises CallFailed or ConnectionClosed."""
        action = type(request).__name__
        async with self._turn:
            began = trio.current_time()
            self._answered, self._outcome = trio.Event(), None
            frame = self._protocol.call(request, str(next(self._ids)), trio.current_time())
            await self._connection.send(frame)
            with trio.move_on_after(CALL_S):
                await self._answered.wait()
            outcome = self._outcome
        match outcome:
            case CallAnswered():
                self._record(trio.current_time() - began)
                return outcome.result
            case CallRefused():
                raise CallFailed(f"{action}: {outcome.code} {outcome.description}")
            case None:
                self._protocol.tick(trio.current_time() + CALL_S)
                raise CallFailed(f"{action}: no answer within {CALL_S:.0f} s")

    async def _dispatch(self, frame: bytes) -> None:
        match self._protocol.receive(frame):
            case IncomingCall() as call:
                if (result := self._serve(call)) is not None:
                    await self._connection.send(self._protocol.answer(call, result))
            case Reply() as reply:
                await self._connection.send(reply.frame)
            case CallAnswered() | CallRefused() as outcome:
                self._outcome = outcome
                self._answered.set()
