from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from itertools import pairwise

import httpx
import pytest
import trio
from trio.testing import MockClock

from admin.cli.api import sse
from admin.cli.api.client import Client
from admin.cli.api.errors import Refused, TryAgain
from admin.cli.api.profiles import Server
from admin.cli.api.sse import Block, Seen, follow, parse

STREAM = (
    'id: 1\nevent: a\ndata: {"x":"\u2028\x85"}\n\n: still here\n\nid: 2\r\n\r\nevent: b\ndata: cut off'
).encode()

type Handler = Callable[[httpx.Request], httpx.Response]


def make_client(handler: Handler) -> Client:
    server = Server(url="http://x", api_key="k", key_from="a test", tenant="t")
    return Client(server, httpx.AsyncClient(base_url=server.url, transport=httpx.MockTransport(handler)))


async def split(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        await trio.lowlevel.checkpoint()
        yield content[start : start + size]


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_stream_is_read_in_blocks_wherever_it_is_cut(size: int) -> None:
    blocks = [block async for block in parse(split(STREAM, size))]
    assert blocks == [Block("a", '{"x":"\u2028\x85"}', "1"), Block(), Block(id="2")]


async def test_after_a_break_the_stream_goes_on_after_the_last_cursor(autojump_clock: MockClock) -> None:
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("Last-Event-ID"))
        if len(asked) in {2, 4}:
            raise httpx.ConnectError("refused")
        if len(asked) == 3:
            return httpx.Response(502, text="a proxy without a server")
        if len(asked) == 6:
            return httpx.Response(204)
        return httpx.Response(200, content=f"id: {len(asked)}\ndata: {len(asked)}\n\n".encode())

    async with aclosing(follow(make_client(answer), "/", "0")) as blocks:
        seen = [block.data async for block in blocks]
    assert seen == ["1", "5"]
    assert asked == ["0", "1", "1", "1", "1", "5"]
    assert autojump_clock.current_time() < 60


async def test_a_stream_that_only_ends_is_asked_for_less_and_less_often(autojump_clock: MockClock) -> None:
    times: list[float] = []

    def answer(_request: httpx.Request) -> httpx.Response:
        times.append(autojump_clock.current_time())
        if len(times) > 7:
            return httpx.Response(204)
        return httpx.Response(200, content=b'event: end\ndata: {"reason":"the store does not answer"}\n\n')

    async with aclosing(follow(make_client(answer), "/", "")) as blocks:
        assert {block.kind async for block in blocks} == {"end"}
    pauses = [round(2 * (later - earlier)) / 2 for earlier, later in pairwise(times)]
    assert pauses == [0.5, 1, 2, 5, 10, 10, 10]


async def test_a_first_connection_that_fails_is_an_error_at_once() -> None:
    def fail(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(TryAgain, match=r"cannot reach http://x \(refused\)"):
        await anext(follow(make_client(fail), "/", ""))


async def test_a_key_that_was_revoked_ends_the_stream(autojump_clock: MockClock) -> None:
    answers = [httpx.Response(200, content=b"data: 1\n\n"), httpx.Response(401, json={"detail": "no"})]
    with pytest.raises(Refused, match="refused the API key in a test"):
        async for _ in follow(make_client(lambda _request: answers.pop(0)), "/", ""):
            pass
    assert answers == []
    assert autojump_clock.current_time() < 60


def test_an_event_that_came_before_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_SEEN_MAX", 2)
    seen = Seen()
    assert [seen.add(id_) for id_ in ("a", "b", "a", "c", "b", "a")] == [True, True, False, True, False, True]
