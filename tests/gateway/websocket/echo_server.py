"""A server with csms's websocket code on a loopback port, and a peer that can send any bytes.

Tests of deadlines freeze Trio's clock (the fixture `mock_clock`) and move it themselves, so a busy machine
cannot change the results. The frozen clock does not affect the sockets.
"""

import random
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import trio
import trio.testing
from trio.testing import MockClock

from gateway.websocket import sweeper
from gateway.websocket.close_codes import Closed
from gateway.websocket.handshakes import Handshakes
from gateway.websocket.http_upgrade import Upgrade
from gateway.websocket.large_messages import LargeMessages
from gateway.websocket.limits import Limits
from gateway.websocket.listeners import open_listeners
from gateway.websocket.refusals import OnRefused
from gateway.websocket.server import Server, serve
from gateway.websocket.stats import LARGE_MESSAGES_BYTES, Stats
from gateway.websocket.tls import ServerContext
from tests.support.websocket_frames import REQUEST


class Echo:
    """A handler that accepts every peer, echoes every message and records how each connection ended."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.ends: list[Closed] = []
        self.ended = trio.Event()

    async def __call__(self, upgrade: Upgrade) -> None:
        connection = await upgrade.accept("ocpp1.6")

        async def on_text(text: bytes) -> None:
            self.received.append(text)
            if connection.closed is None:
                await connection.send(text)

        try:
            self.ends.append(await connection.run(on_text))
        finally:
            self.ended.set()


@asynccontextmanager
async def serving(
    handle: Callable[[Upgrade], Awaitable[None]],
    *,
    tls: ServerContext | None = None,
    limits: Limits | None = None,
    budget: int = LARGE_MESSAGES_BYTES,
    crashes: int = 0,
    on_refused: OnRefused | None = None,
    trusts_proxy: Callable[[str], bool] | None = None,
) -> AsyncIterator[Server]:
    """Serve until the block ends, and check how many connections ended by an unexpected exception.

    In the end, the whole `budget` for large messages must be free again.
    """
    stats, handshakes = Stats(large_messages=LargeMessages(budget)), Handshakes()
    sockets = open_listeners("127.0.0.1", 0)
    async with patience(), trio.open_nursery() as nursery:
        server = await nursery.start(
            partial(
                serve,
                sockets,
                handle=handle,
                tls=None if tls is None else lambda: tls,
                limits=limits or Limits(),
                stats=stats,
                handshakes=handshakes,
                on_refused=on_refused,
                trusts_proxy=trusts_proxy,
            )
        )
        yield server
        nursery.cancel_scope.cancel()
    assert stats.crashed == crashes
    assert (stats.open, len(handshakes)) == (0, 0)
    large = stats.large_messages
    assert (large._free, large._held, dict(large._waiting)) == (budget, {}, {})


@asynccontextmanager
async def patience(seconds: float = 60) -> AsyncIterator[None]:
    """Fail a test that hangs for `seconds` of real time."""
    over = threading.Event()

    async def watch() -> None:
        if not await trio.to_thread.run_sync(over.wait, seconds, abandon_on_cancel=True):
            raise TimeoutError("the test hangs")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        try:
            yield
        finally:
            over.set()


async def settle() -> None:
    """Wait until the server has handled all bytes that have arrived."""
    await trio.testing.wait_all_tasks_blocked(0.02)


async def sweep(clock: MockClock) -> None:
    """Let the sweeper see that something has come."""
    await settle()
    clock.jump(sweeper.SWEEP_S)
    await settle()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await trio.testing.wait_all_tasks_blocked(0.005)


async def send_in_pieces(peer: "RawPeer", data: bytes, choose: random.Random) -> None:
    """Send bytes in pieces of several sizes. After some of them, wait until the server has handled all."""
    while data:
        size = choose.choice((1, 50, 16_384, 100_000))
        await peer.send(data[:size])
        data = data[size:]
        if choose.random() < 0.3:
            await settle()


class TurnCounter:
    """Counts the turns in which other tasks could run. `run` counts until it is cancelled."""

    def __init__(self) -> None:
        self.turns = 0

    async def run(self) -> None:
        while True:
            self.turns += 1
            await trio.lowlevel.checkpoint()


class RawPeer:
    """A peer of raw bytes. `read_all` reads to the server's end of file or reset."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = await self.stream.receive_some(size - len(data))
            if not more:
                raise EOFError(data)
            data += more
        return data

    async def read_all(self) -> bytes:
        data = b""
        try:
            async for more in self.stream:
                data += more
        except trio.BrokenResourceError:
            pass
        return data

    async def read_head(self) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await self.read(1)
        assert head.startswith(b"HTTP/1.1 101")
        return head


@asynccontextmanager
async def raw_peer(server: Server, *, upgrade: bool = True) -> AsyncIterator[RawPeer]:
    async with await trio.open_tcp_stream("127.0.0.1", server.ports[0]) as stream:
        peer = RawPeer(stream)
        if upgrade:
            await peer.send(REQUEST)
            await peer.read_head()
        yield peer
