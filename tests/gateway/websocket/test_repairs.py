"""Repairs that the owner of a connection may allow: binary messages, and peers that never answer PING.

These tests cover gateway/websocket/incoming.py and gateway/websocket/http_upgrade.py.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trio
from trio.testing import MockClock

from gateway.websocket.close_codes import Closed, ConnectionClosed
from gateway.websocket.connection import Connection
from gateway.websocket.http_upgrade import Upgrade, repair
from gateway.websocket.limits import Limits
from tests.gateway.websocket.echo_server import Echo, RawPeer, raw_peer, serving, settle, sweep, until
from tests.support.websocket_frames import frame, plain, text


class Repairing(Echo):
    """A handler that echoes messages and records each repaired fault."""

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


async def test_a_binary_message_is_read_as_text_even_if_it_arrives_in_fragments() -> None:
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
        (frame(0x82, length=1_048_577), 1009),
    ],
)
async def test_the_limits_of_text_messages_apply_to_binary_messages_too(sent: bytes, code: int) -> None:
    async with repairing_peer() as (handle, peer):
        await peer.send(sent)
        assert (await peer.read_all())[2:4] == code.to_bytes(2)
        assert (await handle.end()).code == code
        assert handle.reported == []


async def test_the_repair_of_websocket_faults_can_be_turned_off_while_a_connection_is_open() -> None:
    async with repairing_peer() as (handle, peer):
        await peer.send(frame(0x82, b"one"))
        assert await peer.read(5) == plain(0x81, b"one")
        assert handle.connection is not None
        handle.connection.repair_faults(None)
        await peer.send(frame(0x82, b"two"))
        assert (await handle.end()).code == 1003


async def _pass_silently(handle: Repairing, clock: MockClock, seconds: float) -> None:
    """Let time pass while the peer's TCP acknowledges our bytes and the peer sends nothing."""
    connection = handle.connection
    assert connection is not None
    await until(lambda: not connection._stream.has_unacknowledged())
    clock.jump(seconds)
    await settle()


async def test_a_peer_that_does_not_know_ping_frames_stays_connected(mock_clock: MockClock) -> None:
    async with repairing_peer() as (handle, peer):
        for _ in range(2):
            await sweep(mock_clock)
            await peer.send(text("x"))
            assert await peer.read(3) == plain(0x81, b"x")
            await sweep(mock_clock)
            for _ in range(3):
                await _pass_silently(handle, mock_clock, 61)
                assert await peer.read(2) == plain(0x89)
            assert handle.reported == ["no_pong"]


async def test_a_peer_that_never_answers_ping_frames_is_cut_off_after_the_mute_timeout(
    mock_clock: MockClock,
) -> None:
    async with repairing_peer(Limits(mute_s=900)) as (handle, peer):
        await sweep(mock_clock)
        await peer.send(text("x"))
        assert await peer.read(3) == plain(0x81, b"x")
        await sweep(mock_clock)
        for _ in range(14):
            await _pass_silently(handle, mock_clock, 61)
        assert not handle.ended.is_set()
        await _pass_silently(handle, mock_clock, 61)
        assert await handle.end() == (1001, "silent for 915 s", "us")
        assert handle.reported == ["no_pong"]


async def test_a_peer_that_answered_one_ping_frame_must_also_answer_the_next_one(
    mock_clock: MockClock,
) -> None:
    async with repairing_peer() as (handle, peer):
        for answer in (text("x"), frame(0x8A) + text("x")):
            await sweep(mock_clock)
            await peer.send(answer)
            assert await peer.read(3) == plain(0x81, b"x")
            await sweep(mock_clock)
            await _pass_silently(handle, mock_clock, 61)
            assert await peer.read(2) == plain(0x89)
        assert not handle.ended.is_set()
        await _pass_silently(handle, mock_clock, 30)
        assert (await handle.end()).code == 1001
        assert handle.reported == []


async def test_a_peer_that_acknowledges_no_tcp_data_is_cut_off(mock_clock: MockClock) -> None:
    """The TCP window of the peer is full, so our bytes stay in our buffer."""

    async def fill(connection: Connection) -> None:
        with suppress(ConnectionClosed):
            while True:
                await connection.send(b"x" * 60_000)

    async with repairing_peer(Limits(send_s=1_000)) as (handle, peer), trio.open_nursery() as nursery:
        await sweep(mock_clock)
        await peer.send(text("x"))
        assert await peer.read(3) == plain(0x81, b"x")
        await sweep(mock_clock)
        assert handle.connection is not None
        nursery.start_soon(fill, handle.connection)
        for seconds in (0, 61, 31):
            await settle()
            assert not handle.ended.is_set()
            mock_clock.jump(seconds)
        assert (await handle.end()).code == 1001
        assert handle.reported == []


def test_a_connection_header_that_lacks_the_word_upgrade_is_replaced() -> None:
    head = b"GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: keep-alive\r\n\r\n"
    mended, repairs = repair(head)
    assert mended == b"GET /x HTTP/1.1\r\nConnection: Upgrade\r\nHost: a\r\nUpgrade: WebSocket\r\n\r\n"
    assert repairs == ["no_connection_upgrade"]
    right = head.replace(b"keep-alive", b"keep-alive, Upgrade")
    assert repair(right) == (right, [])
    plain_http = head.replace(b"Upgrade: WebSocket\r\n", b"")
    assert repair(plain_http) == (plain_http, [])
