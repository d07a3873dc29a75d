"""Pings, closing and slow peers."""

import gc
import time
from collections import Counter

import h11
import pytest
import trio
from trio.testing import MockClock
from trio_websocket import WebSocketConnection
from wsproto import WSConnection
from wsproto.connection import Connection as FrameProtocol

from gateway.websocket.close_codes import Close, Closed, ConnectionClosed
from gateway.websocket.connection import Connection
from gateway.websocket.http_upgrade import Upgrade
from gateway.websocket.limits import Limits
from tests.gateway.websocket.echo_server import Echo, TurnCounter, raw_peer, serving, settle, sweep, until
from tests.support.websocket_frames import frame, plain, text

BYE = plain(0x88, b"\x03\xf4service restart")


class Closing:
    """A handler that passes each connection to the test, which uses it while `connection.run` reads."""

    def __init__(self) -> None:
        self.here, self.connections = trio.open_memory_channel[Connection](9)
        self.ends: list[Closed] = []
        self.ended = trio.Event()

    async def __call__(self, upgrade: Upgrade) -> None:
        connection = await upgrade.accept("ocpp1.6")
        self.here.send_nowait(connection)

        async def on_text(text: bytes) -> None:
            if text == b"close me":
                await connection.close(Close.RESTARTING)

        self.ends.append(await connection.run(on_text))
        self.ended.set()


async def test_a_ping_that_arrives_after_our_close_frame_does_not_disturb_other_connections() -> None:
    """In issue 184 of trio-websocket, a PING that crosses a CLOSE ends the whole server."""
    handle = Closing()
    async with serving(handle) as server, raw_peer(server) as bystander, raw_peer(server) as peer:
        await handle.connections.receive()
        connection = await handle.connections.receive()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.close, Close.RESTARTING)
            assert await peer.read(len(BYE)) == BYE
            await peer.send(frame(0x89, b"too late") + text("heard") + frame(0x88, b"\x03\xf4"))
        assert await peer.read_all() == b""
        await handle.ended.wait()
        assert handle.ends == [(1012, "service restart", "us")]
        await bystander.send(frame(0x89, b"alive"))
        assert await bystander.read(7) == plain(0x8A, b"alive")


async def test_a_peer_that_never_answers_our_close_frame_is_cut_off_after_the_close_timeout(
    mock_clock: MockClock,
) -> None:
    handle = Closing()
    async with serving(handle, limits=Limits(close_s=5)) as server, raw_peer(server) as peer:
        connection = await handle.connections.receive()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.close, Close.RESTARTING)
            assert await peer.read(len(BYE)) == BYE
            mock_clock.jump(4.9)
            await settle()
            assert not handle.ended.is_set()
            mock_clock.jump(0.2)
            assert await peer.read_all() == b""
        await handle.ended.wait()


async def test_the_callback_for_messages_may_close_the_connection() -> None:
    handle = Closing()
    async with serving(handle) as server, raw_peer(server) as peer:
        await peer.send(text("close me"))
        assert await peer.read(len(BYE)) == BYE
        await peer.send(frame(0x88, b"\x03\xf4"))
        assert await peer.read_all() == b""
        await handle.ended.wait()
    assert handle.ends == [(1012, "service restart", "us")]


async def test_sending_after_the_end_of_a_connection_raises_the_error_connection_closed() -> None:
    handle = Closing()
    async with serving(handle) as server, raw_peer(server) as peer:
        connection = await handle.connections.receive()
        await peer.send(frame(0x88, b"\x03\xe8"))
        await handle.ended.wait()
        with pytest.raises(ConnectionClosed) as late:
            await connection.send(b"late")
        assert late.value.closed == (1000, "", "peer")


async def _send_for_ever(connection: Connection) -> None:
    while True:
        await connection.send(b"x" * 60_000)


async def test_a_peer_that_does_not_read_is_cut_off_after_the_send_timeout(mock_clock: MockClock) -> None:
    async def send(connection: Connection) -> None:
        with pytest.raises(ConnectionClosed) as cut:
            await _send_for_ever(connection)
        assert cut.value.closed.by == "lost"

    handle = Closing()
    async with serving(handle, limits=Limits(send_s=10)) as server, raw_peer(server):
        connection = await handle.connections.receive()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, connection)
            await settle()
            mock_clock.jump(9.9)
            await settle()
            assert connection.closed is None
            mock_clock.jump(10)
        await handle.ended.wait()


async def test_frames_that_two_tasks_send_at_the_same_time_are_not_mixed() -> None:
    async def talk(connection: Connection, letter: bytes) -> None:
        for _ in range(40):
            await connection.send(letter * 60_000)

    handle = Closing()
    async with serving(handle) as server, raw_peer(server) as peer:
        connection = await handle.connections.receive()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk, connection, b"a")
            nursery.start_soon(talk, connection, b"b")
            for _ in range(80):
                assert await peer.read(4) == b"\x81\x7e" + (60_000).to_bytes(2)
                payload = await peer.read(60_000)
                assert payload in {b"a" * 60_000, b"b" * 60_000}


async def test_a_silent_peer_gets_a_ping_and_may_answer_it_with_any_frame(mock_clock: MockClock) -> None:
    echo = Echo()
    async with (
        serving(echo, limits=Limits(ping_interval_s=60, pong_s=30)) as server,
        raw_peer(server) as peer,
    ):
        for _ in range(3):
            await sweep(mock_clock)
            await peer.send(text("x"))
            assert await peer.read(3) == plain(0x81, b"x")
            await sweep(mock_clock)
            mock_clock.jump(61)
            assert await peer.read(2) == plain(0x89)
        mock_clock.jump(28)
        await settle()
        assert not echo.ended.is_set()
        mock_clock.jump(2)
        assert await peer.read_all() == b""
        await echo.ended.wait()
        assert echo.ends == [(1001, "silent for 91 s", "us")]


async def test_a_message_handler_that_fails_closes_the_connection_with_code_1011() -> None:
    async def handle(upgrade: Upgrade) -> None:
        connection = await upgrade.accept("ocpp1.6")

        async def on_text(_text: bytes) -> None:
            raise LookupError("as planned")

        await connection.run(on_text)

    async with serving(handle, crashes=1) as server, raw_peer(server) as peer:
        await peer.send(text("hello"))
        close = await peer.read(18)
        assert close == plain(0x88, b"\x03\xf3internal error")
        await peer.send(frame(0x88, b"\x03\xf3"))
        assert await peer.read_all() == b""


async def test_a_connection_can_be_closed_after_its_reading_was_cancelled() -> None:
    ends = []

    async def handle(upgrade: Upgrade) -> None:
        connection = await upgrade.accept("ocpp1.6")
        with trio.CancelScope() as scope:

            async def on_text(_text: bytes) -> None:
                scope.cancel()
                await trio.sleep_forever()

            await connection.run(on_text)
        await connection.close(Close.RESTARTING)
        ends.append(connection.closed)

    async with serving(handle) as server, raw_peer(server) as peer:
        await peer.send(text("hello") + text("unheard"))
        assert await peer.read(len(BYE)) == BYE
        await peer.send(frame(0x89, b"x") + frame(0x88, b"\x03\xf4"))
        assert await peer.read_all() == b""
        await until(lambda: not server.stats.open)
    assert ends == [(1012, "service restart", "us")]


async def test_other_tasks_get_their_turn_between_messages_that_are_slow_to_handle() -> None:
    """The handler never waits, and no message is so long that its length would end the burst."""
    counter = TurnCounter()
    turn_of_message: list[int] = []
    begun, go = trio.Event(), trio.Event()

    async def handle(upgrade: Upgrade) -> None:
        connection = await upgrade.accept("ocpp1.6")

        async def on_text(_text: bytes) -> None:
            begun.set()
            if not go.is_set():
                await go.wait()
            turn_of_message.append(counter.turns)
            time.sleep(0.001)  # noqa: ASYNC251  The handler keeps the event loop busy.

        await connection.run(on_text)

    async with serving(handle) as server, raw_peer(server) as peer, trio.open_nursery() as nursery:
        nursery.start_soon(peer.send, frame(0x81, b"x" * 16_000) * 60)
        await begun.wait()
        await settle()  # Many messages are in the kernel's buffers now.
        nursery.start_soon(counter.run)
        go.set()
        while len(turn_of_message) < 60:
            await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    assert max(Counter(turn_of_message).values()) <= 3


async def test_a_fragment_that_arrives_just_before_our_close_frame_is_not_taken_for_a_violation() -> None:
    handle = Closing()
    async with serving(handle) as server, raw_peer(server) as peer, trio.open_nursery() as nursery:
        connection = await handle.connections.receive()
        async with connection._reader.resume(1_000)._stream_lock:
            nursery.start_soon(connection.close, Close.RESTARTING)
            await settle()
            await peer.send(frame(0x01, b"be") + frame(0x80, b"gun"))
            await settle()
        assert await peer.read(len(BYE)) == BYE
        await peer.send(frame(0x88, b"\x03\xf4"))
        assert await peer.read_all() == b""
        await handle.ended.wait()
        assert connection.violation is None
    assert handle.ends == [(1012, "service restart", "us")]


async def test_an_open_connection_keeps_nothing_of_trio_websocket_after_the_upgrade_or_a_message() -> None:
    """These objects take 9.8 KB, and most connections send only messages in one frame."""
    handle = Closing()
    kinds = (WebSocketConnection, WSConnection, FrameProtocol, h11.Connection)
    gc.collect()
    gc.disable()
    try:
        async with serving(handle) as server, raw_peer(server) as peer:
            connection = await handle.connections.receive()
            assert not [one for one in gc.get_objects() if type(one) in kinds]
            for sent in (text("a"), frame(0x01, b"b") + frame(0x89, b"now") + frame(0x80, b"c"), frame(0x89)):
                await peer.send(sent)
                await settle()
                assert not [one for one in gc.get_objects() if type(one) in kinds]
            await peer.send(frame(0x01, b"begun"))
            await settle()
            assert [one for one in gc.get_objects() if type(one) in kinds]
            await peer.send(frame(0x88, b"\x03\xe8"))
            await handle.ended.wait()
            assert connection.closed == Closed(1000, "", "peer")
    finally:
        gc.enable()
