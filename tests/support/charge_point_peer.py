"""A charge point of raw frames: it sends exactly the bytes of a test and records what it receives."""

import itertools
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import trio

from gateway.websocket.client import connect
from gateway.websocket.close_codes import Closed
from gateway.websocket.connection import Connection
from gateway.websocket.outgoing_frames import mask
from tests.support.waiting import GENEROUS_S

type Serve = Callable[[str, Any], Any]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Peer:
    """A charge point under the control of a test.

    `serve` returns the payload of a CALLRESULT, or a `list` with the last elements of a CALLERROR, or None if
    the charge point must not answer. `answers` maps message ids to received answers that the test has not
    taken yet.
    """

    def __init__(self, connection: Connection, serve: Serve | None) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: dict[str, list[Any]] = {}
        self.closed: Closed | None = None
        self.ended = trio.Event()
        self.connection = connection
        self._heard = trio.Condition()
        self._serve = serve or (lambda _action, _payload: {"status": "Accepted"})
        self._ids = itertools.count(1)

    async def run(self) -> None:
        self.closed = await self.connection.run(self._received)
        self.ended.set()
        async with self._heard:
            self._heard.notify_all()

    async def send(self, frame: list[Any]) -> None:
        await self.connection.send(json.dumps(frame).encode())

    async def exchange(self, action: str, payload: Any, *, id_: str | None = None) -> list[Any]:
        """Return the whole answering frame. Raises AssertionError if the connection ends first."""
        id_ = id_ or f"m{next(self._ids)}"
        self.answers.pop(id_, None)
        await self.send([2, id_, action, payload])
        return await self.answer_to(id_)

    async def answer_to(self, id_: str) -> list[Any]:
        with trio.fail_after(GENEROUS_S):
            async with self._heard:
                while id_ not in self.answers:
                    assert not self.ended.is_set(), f"no answer to {id_}: {self.closed}"
                    await self._heard.wait()
        return self.answers.pop(id_)

    async def call(self, action: str, payload: Any, *, id_: str | None = None) -> Any:
        """Send a call and return the payload of its CALLRESULT."""
        answer = await self.exchange(action, payload, id_=id_)
        assert answer[0] == 3, answer
        return answer[2]

    async def start(
        self,
        *,
        tag: str = "TAG",
        timestamp: str | None = None,
        meter: int = 100,
        connector: int = 1,
        id_: str | None = None,
    ) -> Any:
        payload = {
            "connectorId": connector,
            "idTag": tag,
            "meterStart": meter,
            "timestamp": timestamp or now(),
        }
        return await self.call("StartTransaction", payload, id_=id_)

    async def stop(
        self,
        transaction_id: int,
        *,
        timestamp: str | None = None,
        meter: int = 900,
        tag: str | None = None,
        id_: str | None = None,
    ) -> Any:
        payload = {"transactionId": transaction_id, "meterStop": meter, "timestamp": timestamp or now()}
        return await self.call("StopTransaction", payload | ({"idTag": tag} if tag else {}), id_=id_)

    async def wait_asked(self, count: int = 1) -> None:
        """Wait until the central system has sent that many calls."""
        with trio.fail_after(GENEROUS_S):
            async with self._heard:
                while len(self.asked) < count:
                    await self._heard.wait()

    async def wait_closed(self) -> tuple[int, str]:
        """Return the close code, and which end closed the connection."""
        with trio.fail_after(GENEROUS_S):
            await self.ended.wait()
        assert self.closed is not None
        return self.closed.code, self.closed.by

    async def _received(self, frame: bytes) -> None:
        message = json.loads(frame)
        if message[0] == 2:
            _, id_, action, payload = message
            self.asked.append((id_, action, payload))
            answer = self._serve(action, payload)
            if isinstance(answer, list):
                await self.send([4, id_, *answer])
            elif answer is not None:
                await self.send([3, id_, answer])
        else:
            self.answers[message[1]] = message
        async with self._heard:
            self._heard.notify_all()


async def in_one_breath(cp: Peer, *frames: list[Any]) -> None:
    """Send the frames in one write to the socket, so that they are read together."""
    texts = (json.dumps(frame).encode() for frame in frames)
    await cp.connection._stream.send_all(b"".join(mask(_text_frame(text)) for text in texts))


def _text_frame(text: bytes) -> bytes:
    length = bytes((len(text),)) if len(text) < 126 else b"\x7e" + len(text).to_bytes(2)
    return b"\x81" + length + text


@asynccontextmanager
async def charge_point(
    url: str, serve: Serve | None = None, *, tls: ssl.SSLContext | None = None, header: str = ""
) -> AsyncIterator[Peer]:
    """Connect a charge point until the block ends. Raises UpgradeRefused.

    `header` is a further line of the request.
    """
    failure: Exception | None = None
    name, _, value = header.partition(": ")
    headers = [(name, value)] if header else []
    async with (
        connect(url, ssl_context=tls, headers=headers) as connection,
        trio.open_nursery() as nursery,
    ):
        peer = Peer(connection, serve)
        nursery.start_soon(peer.run)
        try:
            yield peer
        except Exception as error:  # noqa: BLE001  raised below, outside of all groups
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
