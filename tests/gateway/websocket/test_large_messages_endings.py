"""A connection may end while it holds or awaits room for a message above 64 KiB."""

from collections.abc import Awaitable, Callable

import pytest
import trio

from gateway.websocket.close_codes import Close, Closed
from gateway.websocket.connection import Connection
from gateway.websocket.http_upgrade import Upgrade
from tests.gateway.websocket.echo_server import RawPeer, raw_peer, serving, until
from tests.gateway.websocket.large_frames import BUDGET, LARGE, spent, waiting
from tests.support.websocket_frames import frame, plain


class Kept:
    """A handler that passes its connection to the test, and may be cancelled by the test."""

    def __init__(self) -> None:
        self.here, self._connections = trio.open_memory_channel[Connection](1)
        self.scope = trio.CancelScope()
        self.rest = b""
        """What the peer has not sent yet of its message."""
        self.fails = False
        self.ends: list[Closed] = []
        self.ended = trio.Event()

    async def connection(self) -> Connection:
        return await self._connections.receive()

    async def __call__(self, upgrade: Upgrade) -> None:
        connection = await upgrade.accept("ocpp1.6")
        self.here.send_nowait(connection)
        try:
            with self.scope:
                self.ends.append(await connection.run(self._on_text))
        finally:
            self.ended.set()

    async def _on_text(self, _text: bytes) -> None:
        if self.fails:
            raise LookupError("as planned")


type End = Callable[[Kept, RawPeer, Connection], Awaitable[None]]


async def _leave(_kept: Kept, peer: RawPeer, _connection: Connection) -> None:
    await peer.stream.aclose()


async def _break_a_rule(kept: Kept, peer: RawPeer, _connection: Connection) -> None:
    await peer.send(kept.rest + b"\xff\xff\xff")
    await peer.stream.send_eof()


async def _be_closed(kept: Kept, peer: RawPeer, connection: Connection) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.close, Close.RESTARTING)
        await peer.send(kept.rest + frame(0x88, b"\x03\xf4"))


async def _be_cancelled(kept: Kept, _peer: RawPeer, _connection: Connection) -> None:
    kept.scope.cancel()


async def _be_reset(_kept: Kept, _peer: RawPeer, connection: Connection) -> None:
    await connection._cut_silent()


async def _fail(kept: Kept, peer: RawPeer, _connection: Connection) -> None:
    kept.fails = True
    await peer.send(kept.rest + frame(0x88, b"\x03\xf3"))


ENDS: dict[str, End] = {
    "the peer leaves": _leave,
    "the peer breaks a rule": _break_a_rule,
    "csms closes": _be_closed,
    "the handler is cancelled": _be_cancelled,
    "csms resets": _be_reset,
    "the handler fails": _fail,
}


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("first", [0x81, 0x01])
async def test_every_end_of_a_connection_gives_its_room_back(how: str, first: int) -> None:
    """`serving` checks that the budget is whole again."""
    kept = Kept()
    message = LARGE if first == 0x81 else frame(0x01, b"x" * 90_000) + frame(0x80, b"x" * 50_000)
    kept.rest = message[100_000:]
    crashes = int(how == "the handler fails")
    async with serving(kept, budget=BUDGET, crashes=crashes) as server, raw_peer(server) as peer:
        connection = await kept.connection()
        await peer.send(message[:100_000])
        await until(lambda: connection._reserved > 0)
        await ENDS[how](kept, peer, connection)
        await kept.ended.wait()
        await until(lambda: not server.stats.large_messages._held)


@pytest.mark.usefixtures("mock_clock")
@pytest.mark.parametrize("how", ["csms closes", "the handler is cancelled", "csms resets"])
async def test_a_connection_that_awaits_room_can_be_ended_at_once(how: str) -> None:
    """Neither the 30 s of the wait nor the 5 s of the close pass, because the clock stands still."""
    kept = Kept()
    kept.rest = LARGE[100_000:]
    async with serving(kept, budget=BUDGET) as server, spent(server), raw_peer(server) as peer:
        connection = await kept.connection()
        await peer.send(LARGE[:100_000])
        await until(lambda: waiting(server) == 1)
        await ENDS[how](kept, peer, connection)
        answer = b"" if how == "the handler is cancelled" else await peer.read_all()
        await kept.ended.wait()
        assert waiting(server) == 0
    if how == "csms closes":
        assert answer == plain(0x88, b"\x03\xf4service restart")
        assert kept.ends == [(1012, "service restart", "us")]
