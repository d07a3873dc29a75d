"""The fault proxy does to the bytes what its attributes say. Each test plays an echo server behind it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from tests.support.fault_proxy import FaultProxy, fault_proxy
from tests.support.waiting import GENEROUS_S, until


class Echo:
    """A server that sends back each byte. `heard` is what it received."""

    def __init__(self) -> None:
        self.heard = b""
        self.pieces = 0

    async def serve(self, stream: trio.SocketStream) -> None:
        try:
            async for data in stream:
                self.heard += data
                self.pieces += 1
                await stream.send_all(data)
        except trio.BrokenResourceError:
            return


@asynccontextmanager
async def echo() -> AsyncIterator[tuple[Echo, FaultProxy]]:
    server = Echo()
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, server.serve, 0, host="127.0.0.1"))
        [listener] = listeners
        async with fault_proxy(("127.0.0.1", listener.socket.getsockname()[1])) as proxy:
            with trio.fail_after(GENEROUS_S):
                yield server, proxy
        nursery.cancel_scope.cancel()


async def client(proxy: FaultProxy) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", proxy.port)


async def read(stream: trio.SocketStream, count: int) -> bytes:
    got = b""
    while len(got) < count:
        data = await stream.receive_some()
        assert data, f"the stream ended after {got!r}"
        got += bytes(data)
    return got


async def test_without_a_fault_the_proxy_passes_everything_on() -> None:
    async with echo() as (_, proxy), await client(proxy) as stream:
        await stream.send_all(b"hello")
        assert await read(stream, 5) == b"hello"
        assert (proxy.accepted, proxy.open) == (1, 1)
        proxy.counted[b"l"] = 0
        await stream.send_all(b"hello")
        assert await read(stream, 5) == b"hello"
        assert proxy.counted == {b"l": 2}
        assert (proxy.requests.passed_bytes, proxy.replies.passed_bytes) == (10, 10)


@pytest.mark.parametrize("direction", ["requests", "replies"])
async def test_a_delay_makes_each_piece_late_and_keeps_the_order(direction: str) -> None:
    async with echo() as (_, proxy), await client(proxy) as stream:
        way = getattr(proxy, direction)
        way.delay_s, way.jitter_s = 0.2, 0.1
        began = trio.current_time()
        for number in range(10):
            await stream.send_all(b"%d" % number)
            await trio.sleep(0.01)
        assert await read(stream, 10) == b"0123456789"
        assert trio.current_time() - began >= 0.2


async def test_the_delays_of_pieces_that_follow_each_other_do_not_add_up() -> None:
    async with echo() as (_, proxy), await client(proxy) as stream:
        proxy.requests.delay_s = 0.5
        clock = trio.current_time()
        for _ in range(200):
            await stream.send_all(b"x")
            await trio.sleep(0.002)
        await read(stream, 200)
        assert trio.current_time() - clock < GENEROUS_S  # Delays in a row would be 100 s.


@pytest.mark.parametrize("direction", ["requests", "replies"])
async def test_a_connection_that_lost_bytes_ends_instead_of_passing_on_what_follows(direction: str) -> None:
    async with echo() as (server, proxy), await client(proxy) as stream:
        getattr(proxy, direction).swallow = True
        await stream.send_all(b"lost")
        if direction == "replies":
            await until(lambda: server.heard == b"lost")
        await trio.sleep(0.1)
        getattr(proxy, direction).swallow = False
        await stream.send_all(b"follows")
        assert await stream.receive_some() == b""
        assert server.heard == (b"" if direction == "requests" else b"lostfollows")
        async with await client(proxy) as next_stream:
            await next_stream.send_all(b"kept")
            assert await read(next_stream, 4) == b"kept"


async def test_replies_are_swallowed_from_the_request_with_a_given_text_on() -> None:
    async with echo() as (server, proxy), await client(proxy) as stream:
        proxy.swallow_from = b"START"
        await stream.send_all(b"before")
        assert await read(stream, 6) == b"before"
        await stream.send_all(b"a START b")
        await proxy.swallowing.wait()
        await until(lambda: server.heard == b"beforea START b")
        assert proxy.replies.swallow
        with trio.move_on_after(0.1) as silent:
            await stream.receive_some()
        assert silent.cancelled_caught


@pytest.mark.parametrize("direction", ["requests", "replies"])
async def test_a_connection_is_cut_after_a_number_of_bytes_in_one_direction(direction: str) -> None:
    async with echo() as (server, proxy), await client(proxy) as stream:
        getattr(proxy, direction).cut_after_bytes = 3
        await stream.send_all(b"hello")
        got = b""
        while data := await stream.receive_some():
            got += bytes(data)
        assert got in ({b"hel", b""} if direction == "requests" else {b"hel"})
        assert server.heard == (b"hel" if direction == "requests" else b"hello")


async def test_a_reset_is_an_error_of_the_client_and_not_an_end() -> None:
    async with echo() as (_, proxy), await client(proxy) as stream:
        await stream.send_all(b"hello")
        await read(stream, 5)
        proxy.reset()
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()
        await until(lambda: proxy.open == 0)


async def test_connections_are_reset_at_random_pieces() -> None:
    async with echo() as (_, proxy):
        proxy.dice.seed(1)
        proxy.requests.reset_chance = 1.0
        async with await client(proxy) as stream:
            await stream.send_all(b"hello")
            with pytest.raises(trio.BrokenResourceError):
                await read(stream, 6)
        assert proxy.requests.resets == 1
        proxy.requests.reset_chance = 0.0
        async with await client(proxy) as stream:
            await stream.send_all(b"hello")
            assert await read(stream, 5) == b"hello"


async def test_a_bandwidth_bounds_the_bytes_in_a_second() -> None:
    async with echo() as (_, proxy), await client(proxy) as stream:
        proxy.requests.bytes_per_s = 10_000
        began = trio.current_time()
        await stream.send_all(bytes(3_000))
        await read(stream, 3_000)
        assert trio.current_time() - began >= 0.3


async def test_a_slicer_passes_small_pieces_on() -> None:
    async with echo() as (server, proxy), await client(proxy) as stream:
        proxy.requests.slice_bytes, proxy.requests.bytes_per_s = 1, 200
        await stream.send_all(b"abcdef")
        assert await read(stream, 6) == b"abcdef"
        assert server.pieces > 1


async def test_a_half_open_proxy_takes_bytes_and_passes_nothing_on() -> None:
    async with echo() as (server, proxy), await client(proxy) as before:
        await before.send_all(b"a")
        await read(before, 1)
        proxy.half_open = True
        async with await client(proxy) as stream:
            await stream.send_all(b"hello")
            await before.send_all(b"hello")
            await until(lambda: proxy.accepted == 2)
            with trio.move_on_after(0.2) as silent:
                await stream.receive_some()
            assert silent.cancelled_caught
            assert server.heard == b"a"


async def test_a_refusing_proxy_ends_each_connection_at_once() -> None:
    async with echo() as (server, proxy):
        proxy.refuse = True
        async with await client(proxy) as stream:
            assert await stream.receive_some() == b""
        assert server.heard == b""


async def test_a_cut_ends_all_connections_and_the_next_one_works() -> None:
    async with echo() as (_, proxy):
        async with await client(proxy) as first, await client(proxy) as second:
            for stream in (first, second):
                await stream.send_all(b"x")
                await read(stream, 1)
            proxy.cut()
            assert await first.receive_some() == b""
            assert await second.receive_some() == b""
        async with await client(proxy) as stream:
            await stream.send_all(b"x")
            assert await read(stream, 1) == b"x"
