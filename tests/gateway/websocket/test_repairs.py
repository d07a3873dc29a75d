"""What a connection repairs when its owner says so: binary messages, and peers that never answer PING."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from gateway.websocket import sweeper
from gateway.websocket.close_codes import Closed, ConnectionClosed
from gateway.websocket.connection import Connection
from gateway.websocket.http_upgrade import Upgrade, repair
from gateway.websocket.limits import Limits
from tests.gateway.websocket.support import Echo, RawPeer, frame, plain, raw_peer, serving, text

SOON = Limits(ping_interval_s=0.3, pong_s=0.3, mute_s=100, close_s=0.2)


@pytest.fixture(autouse=True)
def _looked_at_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "SWEEP_S", 0.1)


class Repairing(Echo):
    """Echoes, and notes each fault that was repaired."""

    def __init__(self) -> None:
        super().__init__()
        self.reported: list[str] = []
        self.connection: Connection | None = None

    async def __call__(self, upgrade: Upgrade) -> None:
        connection = self.connection = await upgrade.accept("ocpp1.6")
        connection.repair_faults(self.reported.append)

        async def on_text(message: bytes) -> None:
            self.received.append(message)
            await connection.send(message)

        try:
            self.ends.append(await connection.run(on_text))
        finally:
            self.ended.set()

    async def end(self) -> Closed:
        await self.ended.wait()
        return self.ends[0]


@asynccontextmanager
async def repairing_peer(limits: Limits | None = None) -> AsyncIterator[tuple[Repairing, RawPeer]]:
    handle = Repairing()
    async with serving(handle, limits=limits or Limits(close_s=0.2)) as server, raw_peer(server) as peer:
        yield handle, peer


async def test_binary_messages_are_read_as_text_whole_or_in_fragments() -> None:
    async with repairing_peer() as (handle, peer):
        sent = frame(0x82, b"one") + text("two") + frame(0x02, b"th") + frame(0x89) + frame(0x80, b"ree")
        await peer.send(sent)
        expected = plain(0x81, b"one") + plain(0x81, b"two") + plain(0x8A) + plain(0x81, b"three")
        assert await peer.read(len(expected)) == expected
        assert handle.reported == ["binary_frame", "binary_frame"]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(0x82, b"caf\xe9"), 1003),
        (frame(0x02, b"a") + frame(0x82, b"b"), 1002),
        (frame(0x82, b"x" * 65_537), 1009),
    ],
)
async def test_binary_messages_are_held_to_the_same_rules(sent: bytes, code: int) -> None:
    async with repairing_peer() as (handle, peer):
        await peer.send(sent)
        assert (await peer.read_all())[2:4] == code.to_bytes(2)
        assert (await handle.end()).code == code
        assert handle.reported == []


async def test_repairs_can_be_turned_off_while_connected() -> None:
    async with repairing_peer() as (handle, peer):
        await peer.send(frame(0x82, b"one"))
        assert await peer.read(5) == plain(0x81, b"one")
        assert handle.connection is not None
        handle.connection.repair_faults(None)
        await peer.send(frame(0x82, b"two"))
        assert (await handle.end()).code == 1003


async def test_a_peer_that_knows_no_ping_is_pinged_again_and_stays() -> None:
    async with repairing_peer(SOON) as (handle, peer):
        assert await peer.read(6) == plain(0x89) * 3
        await peer.send(text("x"))
        assert await peer.read(3) == plain(0x81, b"x")
        assert handle.reported == ["no_pong"]
        assert await peer.read(4) == plain(0x89) * 2
        assert handle.reported == ["no_pong"]


async def test_a_peer_that_never_answers_ping_is_cut_in_the_end() -> None:
    async with repairing_peer(Limits(ping_interval_s=0.3, pong_s=0.3, mute_s=1.5)) as (handle, _):
        end = await handle.end()
        assert (end.code, end.by) == (1001, "us")
        assert handle.reported == ["no_pong"]


async def test_a_peer_that_answered_one_ping_must_answer_the_next() -> None:
    async with repairing_peer(SOON) as (handle, peer):
        assert await peer.read(2) == plain(0x89)
        await peer.send(frame(0x8A))
        assert (await handle.end()).code == 1001
        assert handle.reported == []


async def test_a_peer_whose_tcp_acknowledges_nothing_is_cut() -> None:
    """Its window is full, so what we send stays with us."""
    async with repairing_peer(SOON) as (handle, peer):
        await peer.send(text("x"))
        assert await peer.read(3) == plain(0x81, b"x")
        connection = handle.connection
        assert connection is not None
        with suppress(ConnectionClosed):
            while True:
                await connection.send(b"x" * 60_000)
        assert (await handle.end()).code == 1001
        assert handle.reported == []


def test_a_connection_header_without_upgrade_is_replaced() -> None:
    head = b"GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: keep-alive\r\n\r\n"
    mended, repairs = repair(head)
    assert mended == b"GET /x HTTP/1.1\r\nConnection: Upgrade\r\nHost: a\r\nUpgrade: WebSocket\r\n\r\n"
    assert repairs == ["no_connection_upgrade"]
    right = head.replace(b"keep-alive", b"keep-alive, Upgrade")
    assert repair(right) == (right, [])
    plain_http = head.replace(b"Upgrade: WebSocket\r\n", b"")
    assert repair(plain_http) == (plain_http, [])
