"""Sessions of charge points that only stay connected, thousands of them in one process."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import msgspec
import trio

from gateway.websocket.client import UpgradeRefused, connect
from gateway.websocket.close_codes import ConnectionClosed
from gateway.websocket.connection import Connection
from gateway.websocket.limits import Limits
from tests.support.waiting import until

AT_ONCE = 50
"""Connections that are opened at the same time."""


class Sessions:
    """Open connections by charge point. A charge point accepts each command; it does not reconnect."""

    def __init__(self, nursery: trio.Nursery, url: Callable[[str], str]) -> None:
        self.open: dict[str, Connection] = {}
        self.closed: dict[str, tuple[int, str]] = {}
        """Code and reason of each connection that ended."""
        self.refused: Counter[int] = Counter()
        self._nursery = nursery
        self._url = url
        self._scopes: dict[str, trio.CancelScope] = {}
        self._room = trio.CapacityLimiter(AT_ONCE)

    async def connect(self, ids: Iterable[str], within_s: float = 180.0) -> None:
        wanted = list(ids)
        for id_ in wanted:
            self._nursery.start_soon(self._live, id_)
        await until(
            lambda: all(id_ in self.open or id_ in self.closed for id_ in wanted) or bool(self.refused),
            within_s,
        )

    def drop(self, ids: Iterable[str]) -> None:
        """Let charge points vanish without a CLOSE."""
        for id_ in tuple(ids):
            self._scopes[id_].cancel()

    async def _live(self, id_: str) -> None:
        with trio.CancelScope() as self._scopes[id_]:
            try:
                await self._stay(id_)
            except UpgradeRefused as refused:
                self.refused[refused.status] += 1
            except (OSError, trio.TooSlowError):
                self.refused[0] += 1
            finally:
                self.open.pop(id_, None)

    async def _stay(self, id_: str) -> None:
        await self._room.acquire_on_behalf_of(id_)
        try:
            context = connect(self._url(id_), limits=Limits(ping_interval_s=0))
            connection = await context.__aenter__()
        finally:
            self._room.release_on_behalf_of(id_)
        self.open[id_] = connection

        async def answer(frame: bytes) -> None:
            message = msgspec.json.decode(frame)
            if message[0] == 2:
                try:
                    await connection.send(msgspec.json.encode([3, message[1], {"status": "Accepted"}]))
                except ConnectionClosed:
                    return

        try:
            ended = await connection.run(answer)
            self.closed[id_] = ended.code, ended.reason
        finally:
            with trio.CancelScope(shield=True), trio.move_on_after(1):
                await context.__aexit__(None, None, None)


@asynccontextmanager
async def sessions(url: Callable[[str], str]) -> AsyncIterator[Sessions]:
    """Keep sessions open until the block ends."""
    async with trio.open_nursery() as nursery:
        yield Sessions(nursery, url)
        nursery.cancel_scope.cancel()
