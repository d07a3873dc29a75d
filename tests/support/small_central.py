"""A small central system on trio-websocket that does what a test says, and keeps what it received."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from tests.support import waiting

type Answer = Callable[[Any], Any]
"""Makes the payload of the CALLRESULT for a payload, or an `Error`, or None for no answer."""
BOOTED = {"status": "Accepted", "currentTime": "2026-01-31T12:00:00Z", "interval": 300}
TAG = {"idTagInfo": {"status": "Accepted"}}


async def until(check: Callable[[], bool], within_s: float = 50_000.0) -> None:
    """Wait for a condition by a clock that jumps."""
    await waiting.until(check, within_s, every_s=1.0)


class Error(NamedTuple):
    code: str


class Call(NamedTuple):
    """A call of a charge point. `connection` counts the connections, and `at` is of Trio's clock."""

    connection: int
    at: float
    id: str
    action: str
    payload: Any


class SmallCentral:
    """`answers` replaces the usual answers by action. `refusals` are the next answers to handshakes."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[Call] = []
        self.results: list[Any] = []
        """Answers to calls of the central system, as whole messages."""
        self.answers: dict[str, Answer] = {}
        self.refusals: list[tuple[int, list[tuple[bytes, bytes]]]] = []
        self.handshakes: list[tuple[float, str, tuple[tuple[bytes, bytes], ...]]] = []
        self.connections: list[WebSocketConnection] = []
        self.ends: list[Any] = []
        self._transactions = 0

    def of(self, action: str) -> list[Any]:
        return [call.payload for call in self.calls if call.action == action]

    @property
    def actions(self) -> list[str]:
        return [call.action for call in self.calls]

    async def has(self, action: str, count: int = 1) -> None:
        await until(lambda: len(self.of(action)) >= count)

    async def call(self, action: str, payload: Any, *, connection: int = -1, id_: str = "cs") -> Any:
        """Call the charge point, and return the whole answer."""
        before = len(self.results)
        await self.connections[connection].send_message(
            msgspec.json.encode([2, id_, action, payload]).decode()
        )
        await until(lambda: len(self.results) > before)
        return self.results[before]

    async def serve(self, request: WebSocketRequest) -> None:
        headers = tuple(request.headers)
        self.handshakes.append((trio.current_time(), request.path, headers))
        if self.refusals:
            status, extra = self.refusals.pop(0)
            await request.reject(status, extra_headers=extra, body=b"no")
            return
        websocket = await request.accept(subprotocol="ocpp1.6")
        number = len(self.connections)
        self.connections.append(websocket)
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._take(number, websocket, msgspec.json.decode(await websocket.get_message()))
        self.ends.append(websocket.closed)

    async def _take(self, number: int, websocket: WebSocketConnection, message: Any) -> None:
        if message[0] != 2:
            self.results.append(message)
            return
        _, id_, action, payload = message
        self.calls.append(Call(number, trio.current_time(), id_, action, payload))
        answer = self.answers.get(action, self._usual)(payload)
        if isinstance(answer, Error):
            await websocket.send_message(msgspec.json.encode([4, id_, answer.code, "", {}]).decode())
        elif answer is not None:
            if answer is USUAL:
                answer = self._make(action)
            await websocket.send_message(msgspec.json.encode([3, id_, answer]).decode())

    @staticmethod
    def _usual(_payload: Any) -> Any:
        return USUAL

    def _make(self, action: str) -> dict[str, Any]:
        match action:
            case "BootNotification":
                return BOOTED
            case "Authorize" | "StopTransaction":
                return TAG
            case "StartTransaction":
                self._transactions += 1
                return {**TAG, "transactionId": 100 + self._transactions}
            case "Heartbeat":
                return {"currentTime": "2026-01-31T12:00:00Z"}
            case "DataTransfer":
                return {"status": "Accepted"}
            case _:
                return {}


USUAL: dict[str, Any] = {}
"""Returned by an answer to get the usual one."""


@asynccontextmanager
async def small_central() -> AsyncIterator[SmallCentral]:
    central = SmallCentral()
    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket, central.serve, "127.0.0.1", 0, None)
        central.url = f"ws://127.0.0.1:{server.port}/{{id}}"
        yield central
        nursery.cancel_scope.cancel()
