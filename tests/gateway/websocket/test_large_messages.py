"""Messages above 64 KiB share a budget of memory."""

from contextlib import AsyncExitStack

import pytest
import trio
from trio.testing import MockClock

from gateway.websocket.connection import Connection
from gateway.websocket.large_messages import LargeMessages
from gateway.websocket.limits import Limits
from tests.gateway.websocket.echo_server import Echo, RawPeer, raw_peer, serving, settle, until
from tests.gateway.websocket.large_frames import (
    ANSWER,
    BUDGET,
    KIB_64,
    LARGE,
    MIB,
    NO_ROOM,
    UNFINISHED,
    spent,
    waiting,
)
from tests.support.websocket_frames import frame, plain

# --- The budget itself ---------------------------------------------------------------------------------


async def test_room_is_given_in_the_order_of_the_requests() -> None:
    large, order = LargeMessages(10), list[str]()

    async def ask(name: str, size: int) -> None:
        assert await large.hold(name, size)
        order.append(name)

    assert await large.hold("first", 10)
    async with trio.open_nursery() as nursery:
        for name, size in (("a", 8), ("b", 1), ("c", 2)):
            nursery.start_soon(ask, name, size)
            await trio.testing.wait_all_tasks_blocked()
        await large.hold("first", 8)  # There is room for b and c, but a came first.
        await trio.testing.wait_all_tasks_blocked()
        assert order == []
        large.release("first")
        await until(lambda: len(order) == 2)
        assert set(order) == {"a", "b"}
        large.release("b")
    assert order[2] == "c"
    for name in ("a", "c"):
        large.release(name)
    assert (large._free, large._held) == (10, {})


async def test_the_eldest_holder_alone_may_exceed_the_budget() -> None:
    large = LargeMessages(10)
    assert await large.hold("eldest", 5)
    assert await large.hold("younger", 5)
    assert await large.hold("eldest", 50)
    results: list[bool] = []

    async def ask() -> None:
        results.append(await large.hold("younger", 6))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await settle()
        assert results == []
        large.release("eldest")  # Now the younger holder is the eldest.
    assert results == [True]
    assert (large._free, large._held) == (4, {"younger": 6})


async def test_a_request_for_room_that_is_cancelled_leaves_the_queue_and_lets_the_next_one_pass() -> None:
    large = LargeMessages(10)
    assert await large.hold("first", 5)
    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as cancelled:
                cancelled.start_soon(large.hold, "cancelled", 9)
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(large.hold, "small", 2)
                await trio.testing.wait_all_tasks_blocked()
                assert list(large._waiting) == ["cancelled", "small"]
                scope.cancel()
        await until(lambda: "small" in large._held)
    assert (large._free, large._held) == (3, {"first": 5, "small": 2})


# --- Sizes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [KIB_64 - 1, KIB_64, KIB_64 + 1, MIB - 1, MIB])
@pytest.mark.parametrize("parts", [1, 3])
async def test_a_message_up_to_one_mebibyte_is_read_whole_and_in_fragments(size: int, parts: int) -> None:
    message = bytes(range(97, 113)) * (size // 16) + b"y" * (size % 16)
    cut = [message[at * size // parts : (at + 1) * size // parts] for at in range(parts)]
    sent = frame(0x81 if parts == 1 else 0x01, cut[0])
    sent += b"".join(
        frame(0x80 if at == parts - 1 else 0x00, part) for at, part in enumerate(cut[1:], start=1)
    )
    echo = Echo()
    async with serving(echo) as server, raw_peer(server) as peer, trio.open_nursery() as nursery:
        nursery.start_soon(peer.send, sent)
        assert await peer.read(len(plain(0x81, message))) == plain(0x81, message)
    assert echo.received == [message]


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(frame(0x81, length=MIB + 1), id="one frame"),
        pytest.param(frame(0x01, b"x" * MIB) + frame(0x80, length=1), id="fragments"),
        pytest.param(frame(0x81, b"x" * 3 * MIB), id="a peer that writes 3 MiB before it reads"),
    ],
)
async def test_a_message_of_more_than_a_mebibyte_is_closed_with_1009(sent: bytes) -> None:
    echo = Echo()
    async with serving(echo) as server, raw_peer(server) as peer:
        await peer.send(sent)
        await peer.stream.send_eof()
        assert (await peer.read_all())[2:4] == (1009).to_bytes(2)
        await echo.ended.wait()
    assert echo.received == []


async def test_a_fragmented_message_may_be_as_long_as_the_limit_says() -> None:
    part = b"x" * 900_000
    echo = Echo()
    async with serving(echo, limits=Limits(message_bytes=2 * MIB)) as server, raw_peer(server) as peer:
        await peer.send(frame(0x01, part))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.send, frame(0x80, part))
            await peer.read(len(plain(0x81, part + part)))
    assert echo.received == [part + part]


async def test_a_message_of_64_kib_needs_no_room() -> None:
    message = frame(0x81, b"x" * KIB_64)
    async with serving(Echo(), budget=BUDGET) as server, spent(server), raw_peer(server) as peer:
        await peer.send(message[:-1])
        await settle()
        assert waiting(server) == 0
        await peer.send(message[-1:])
        await peer.read(len(plain(0x81, b"x" * KIB_64)))


async def test_a_message_above_the_whole_budget_is_read_if_nobody_else_needs_room() -> None:
    async with serving(Echo(), budget=1_000) as server, raw_peer(server) as peer:
        await peer.send(LARGE)
        assert await peer.read(len(ANSWER)) == ANSWER


async def test_messages_that_fill_the_budget_together_are_all_read() -> None:
    """Without a privilege for the eldest, each message would wait for the room that the others hold."""
    echo, count = Echo(), 8
    async with serving(echo, budget=BUDGET) as server, AsyncExitStack() as peers:
        here = [await peers.enter_async_context(raw_peer(server)) for _ in range(count)]
        for peer in here:
            await peer.send(LARGE[:80_000])
        await settle()
        async with trio.open_nursery() as nursery:
            for peer in here:
                nursery.start_soon(peer.send, LARGE[80_000:])
                nursery.start_soon(peer.read, len(ANSWER))
    assert len(echo.received) == count


# --- A budget that is spent -----------------------------------------------------------------------------


async def test_a_socket_is_not_read_while_the_budget_is_spent_and_is_read_when_there_is_room() -> None:
    echo = Echo()
    async with (
        serving(echo, budget=BUDGET) as server,
        spent(server) as give_back,
        raw_peer(server) as bystander,
        raw_peer(server) as peer,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(peer.send, LARGE + frame(0x89, b"ping") + frame(0x88, b"\x03\xe8"))
        await until(lambda: waiting(server) == 1)
        await bystander.send(frame(0x81, b"small"))
        assert await bystander.read(7) == plain(0x81, b"small")
        [connection] = server.stats.large_messages._waiting
        assert isinstance(connection, Connection)
        assert connection._frames.held < KIB_64 + 2 * Limits().receive_bytes
        assert echo.received == [b"small"]
        give_back()
        expected = ANSWER + plain(0x8A, b"ping") + plain(0x88, b"\x03\xe8")
        assert await peer.read_all() == expected


async def test_a_message_that_found_no_room_for_30_s_is_closed_with_1013(mock_clock: MockClock) -> None:
    echo = Echo()
    async with serving(echo, budget=BUDGET) as server, spent(server), raw_peer(server) as peer:
        await peer.send(LARGE[:100_000])
        await until(lambda: waiting(server) == 1)
        mock_clock.jump(29.9)
        await settle()
        assert not echo.ended.is_set()
        mock_clock.jump(0.2)
        assert await peer.read(len(NO_ROOM)) == NO_ROOM
        await peer.stream.send_eof()
        await echo.ended.wait()
    assert [(end.code, end.by) for end in echo.ends] == [(1013, "us")]


async def test_a_connection_that_found_no_room_gives_its_room_back_before_its_peer_hangs_up(
    mock_clock: MockClock,
) -> None:
    echo = Echo()
    async with serving(echo, budget=BUDGET) as server, raw_peer(server) as eldest, raw_peer(server) as peer:
        large = server.stats.large_messages
        await eldest.send(LARGE[:70_000])
        await settle()
        await peer.send(LARGE[:150_000])
        await settle()
        await eldest.send(LARGE[70_000:160_000])
        await settle()
        await peer.send(LARGE[150_000:170_000])
        await until(lambda: waiting(server) == 1)
        assert len(large._held) == 2
        mock_clock.jump(31)
        assert await peer.read(len(NO_ROOM)) == NO_ROOM
        assert len(large._held) == 1
        await eldest.send(LARGE[160_000:])
        await eldest.read(len(ANSWER))


@pytest.mark.parametrize(
    ("limits", "pause"),
    [
        pytest.param(Limits(ping_interval_s=5, pong_s=2), 1, id="silence"),
        pytest.param(Limits(ping_interval_s=0, partial_message_s=1), 60, id="deadline"),
    ],
)
async def test_the_time_without_room_counts_neither_as_silence_nor_against_the_deadline_of_the_message(
    limits: Limits, pause: int, mock_clock: MockClock
) -> None:
    async with (
        serving(Echo(), limits=limits, budget=BUDGET) as server,
        spent(server) as give_back,
        raw_peer(server) as peer,
    ):
        await peer.send(LARGE[:69_000])
        await until(lambda: waiting(server) == 1)
        [connection] = server.stats.large_messages._waiting
        assert isinstance(connection, Connection)
        for _ in range(29):
            mock_clock.jump(1)
            await settle()
        give_back()
        await settle()
        assert waiting(server) == 0
        mock_clock.jump(pause)
        await settle()
        assert connection.closed is None
        await peer.send(LARGE[69_000:])
        assert await peer.read(len(ANSWER)) == ANSWER


async def test_connections_that_hold_half_a_message_do_not_disturb_short_messages(
    mock_clock: MockClock,
) -> None:
    count = 100
    echo = Echo()
    async with (
        serving(echo, budget=20 * BUDGET) as server,
        raw_peer(server) as bystander,
        AsyncExitStack() as peers,
    ):
        large = server.stats.large_messages
        for _ in range(count):
            peer = await peers.enter_async_context(raw_peer(server))
            await peer.send(LARGE[:100_000])
        await settle()
        assert 0 <= large._free < BUDGET
        assert 0 < waiting(server) < count / 2
        await bystander.send(frame(0x81, b"small"))
        assert await bystander.read(7) == plain(0x81, b"small")
        refused = waiting(server)
        mock_clock.jump(31)
        await until(lambda: len(echo.ends) + server.stats.closed[1013] >= refused)
        assert server.stats.closed[1013] == refused
        await peers.aclose()
        await until(lambda: not large._held)
        await bystander.send(LARGE)
        assert await bystander.read(len(ANSWER)) == ANSWER


# --- Slow senders ---------------------------------------------------------------------------------------


async def _send_slowly(peer: RawPeer, clock: MockClock, data: bytes, rate: int, seconds: int) -> int:
    """Send `rate` bytes a second, and return how many seconds passed until the server hung up."""
    sent = 0
    for second in range(0, seconds, 5):
        await peer.send(data[sent : sent + 5 * rate])
        sent += 5 * rate
        await settle()
        clock.jump(5)
        await settle()
        if sent >= len(data):
            return second
    return seconds


async def test_a_large_message_may_take_more_than_a_minute_at_a_rate_of_1_kib_a_second(
    mock_clock: MockClock,
) -> None:
    echo = Echo()
    async with serving(echo) as server, raw_peer(server) as peer:
        passed = await _send_slowly(peer, mock_clock, LARGE, 1_024, 1_000)
        assert passed > 180
        assert await peer.read(len(ANSWER)) == ANSWER
    assert len(echo.received) == 1


@pytest.mark.parametrize(("held", "seconds"), [(10_240, 70), (102_400, 160)])
async def test_a_message_is_cut_a_minute_and_a_second_for_each_kib_after_its_first_byte(
    held: int, seconds: int, mock_clock: MockClock
) -> None:
    echo = Echo()
    async with (
        serving(echo, limits=Limits(ping_interval_s=0)) as server,
        raw_peer(server) as peer,
    ):
        await peer.send(LARGE[:held])
        await settle()
        mock_clock.jump(seconds - 1)
        await settle()
        assert not echo.ended.is_set()
        mock_clock.jump(2.5)
        assert await peer.read_all() == UNFINISHED
        await echo.ended.wait()
    assert [(end.code, end.by) for end in echo.ends] == [(1008, "us")]


async def test_a_message_below_the_least_rate_is_cut(mock_clock: MockClock) -> None:
    """At 512 bytes a second, the time passes twice as fast as the allowance grows."""
    echo = Echo()
    async with serving(echo) as server, raw_peer(server) as peer:
        with pytest.raises(trio.BrokenResourceError):
            await _send_slowly(peer, mock_clock, LARGE, 512, 390)
        await echo.ended.wait()
    assert [(end.code, end.by) for end in echo.ends] == [(1008, "us")]
