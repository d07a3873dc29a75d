"""Light connections against csms's server, against a server of trio-websocket, and against raw bytes."""

import hashlib
import socket
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trustme
from trio.testing import MockClock

from gateway.websocket.client import UpgradeRefused
from gateway.websocket.close_codes import Close, ConnectionClosed
from gateway.websocket.http_upgrade import Upgrade
from gateway.websocket.light_client import LIGHT_LIMITS, Endpoint, LightConnection, connect_light, resolve
from gateway.websocket.limits import Limits
from gateway.websocket.socket_stream import BACKLOG_BYTES
from gateway.websocket.tls import server_context
from tests.gateway.websocket.echo_server import Echo, patience, serving, settle, until
from tests.support.websocket_frames import plain

SIZES = [0, 1, 125, 126, 65_535, 65_536, 200_000]
ACCEPT = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %b\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)


async def endpoint(port: int, scheme: str = "ws", **more: object) -> Endpoint:
    url = f"{scheme}://127.0.0.1:{port}/OCPP16/demo/token/c1"
    return Endpoint(url, await resolve(url), **more)  # type: ignore[arg-type]


def accept(request: bytes) -> bytes:
    """Make the answer that accepts an upgrade request."""
    key = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
    digest = hashlib.sha1(key.partition(b":")[2].strip() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return ACCEPT % b64encode(digest)


@asynccontextmanager
async def raw_server(handle: Callable[[trio.SocketStream], Awaitable[None]]) -> AsyncIterator[int]:
    """Serve one connection with a function that gets it after its upgrade request was accepted."""

    async def serve(stream: trio.SocketStream) -> None:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += await stream.receive_some()
        await stream.send_all(accept(request))
        await handle(stream)

    async with patience(), trio.open_nursery() as nursery:
        listeners: list[trio.SocketListener] = await nursery.start(trio.serve_tcp, serve, 0)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def connected(
    place: Endpoint, limits: Limits = LIGHT_LIMITS
) -> AsyncIterator[tuple[LightConnection, list[bytes], trio.Event]]:
    """Connect, and read in a task. The list gets the messages, and the event is set at the end."""
    received: list[bytes] = []
    ended = trio.Event()
    async with trio.open_nursery() as nursery:
        connection = await connect_light(place, nursery.start_soon, limits=limits)

        async def read() -> None:
            await connection.run(received.append)
            ended.set()

        nursery.start_soon(read)
        try:
            yield connection, received, ended
        finally:
            connection.abort()
            nursery.cancel_scope.cancel()


async def read_frames(stream: trio.SocketStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = await stream.receive_some()
        if not more:
            break
        data += more
    return data


async def read_to_end(stream: trio.SocketStream) -> bytes | None:
    """Return what comes until the end of file, or None after a reset."""
    data = b""
    try:
        async for more in stream:
            data += more
    except trio.BrokenResourceError:
        return None
    return data


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, tuple[Path, Path]]:
    """Return a client's context, and the files of the server."""
    folder, authority = tmp_path_factory.mktemp("light"), trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(folder / "chain.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context, (folder / "chain.pem", folder / "key.pem")


async def test_messages_of_all_lengths_go_to_the_server_and_back() -> None:
    async with serving(Echo()) as server, connected(await endpoint(server.ports[0])) as (one, received, _):
        for size in SIZES:
            one.send(b"x" * size)
        await until(lambda: len(received) == len(SIZES))
        assert received == [b"x" * size for size in SIZES]


async def test_over_tls_messages_go_to_the_server_and_back_and_each_step_is_timed(
    certificates: tuple[ssl.SSLContext, tuple[Path, Path]],
) -> None:
    context, files = certificates
    steps: list[tuple[str, float]] = []
    async with serving(Echo(), tls=server_context([files], require_sni=False)) as server:
        place = await endpoint(server.ports[0], "wss", tls=context)
        async with trio.open_nursery() as nursery:
            one = await connect_light(
                place, nursery.start_soon, on_step=lambda step, seconds: steps.append((step, seconds))
            )
            received: list[bytes] = []
            nursery.start_soon(one.run, received.append)
            for size in SIZES:
                one.send(b"x" * size)
            await until(lambda: len(received) == len(SIZES))
            one.close(1000, "enough")
    assert received == [b"x" * size for size in SIZES]
    assert [step for step, _ in steps] == ["tcp", "tls", "upgrade"]
    assert all(seconds > 0 for _, seconds in steps)


async def test_a_server_whose_certificate_is_not_trusted_is_not_talked_to(
    certificates: tuple[ssl.SSLContext, tuple[Path, Path]],
) -> None:
    _, files = certificates
    async with serving(Echo(), tls=server_context([files], require_sni=False)) as server:
        place = await endpoint(server.ports[0], "wss", tls=ssl.create_default_context())
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect_light(place, print)


async def test_headers_and_the_source_address_reach_the_server() -> None:
    seen: list[tuple[tuple[bytes, ...], str]] = []

    async def handle(upgrade: Upgrade) -> None:
        seen.append((upgrade.authorization, upgrade.remote[0]))
        await upgrade.refuse(503, "not now", [("Retry-After", "7")])

    async with serving(handle) as server:
        place = await endpoint(
            server.ports[0], headers=(("Authorization", "Basic YTpi"),), source_address="127.0.0.9"
        )
        with pytest.raises(UpgradeRefused) as refused:
            await connect_light(place, print)
    assert seen == [((b"Basic YTpi",), "127.0.0.9")]
    assert (refused.value.status, refused.value.text) == (503, "not now")
    assert ("retry-after", "7") in [(name.lower(), value) for name, value in refused.value.headers]


@pytest.mark.parametrize(
    "answer",
    [b"", b"\x15\x03\x01\x00\x02\x02\x28", b"HTTP/1.1 200 OK\r\n\r\nhello", b"HTTP/1.1 101 Yes\r\n\r\n"],
    ids=["nothing", "TLS", "a page", "an upgrade without the accept key"],
)
async def test_a_server_that_does_not_upgrade_is_left_with_a_refusal(answer: bytes) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(answer)

    async with patience(), trio.open_nursery() as nursery:
        listeners: list[trio.SocketListener] = await nursery.start(trio.serve_tcp, serve, 0)
        place = await endpoint(listeners[0].socket.getsockname()[1])
        with pytest.raises(UpgradeRefused) as refused:
            await connect_light(place, print)
        assert refused.value.status == (200 if b"200" in answer else 0)
        nursery.cancel_scope.cancel()


async def test_a_closed_port_raises_an_oserror() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = await endpoint(free.getsockname()[1])
        with pytest.raises(ConnectionRefusedError):
            await connect_light(place, print)


async def test_fragments_are_joined_and_a_ping_between_them_is_answered() -> None:
    answers: list[bytes] = []

    async def handle(stream: trio.SocketStream) -> None:
        await stream.send_all(plain(0x01, b"frag") + plain(0x89, b"now") + plain(0x80, "ments ä".encode()))
        await stream.send_all(plain(0x81, b"whole"))
        answers.append(await read_frames(stream, 9))
        await trio.sleep_forever()

    async with raw_server(handle) as port, connected(await endpoint(port)) as (_, received, _):
        await until(lambda: len(received) == 2 and bool(answers))
        assert received == ["fragments ä".encode(), b"whole"]
    assert answers[0][:2] == bytes((0x8A, 0x80 | 3))


async def test_the_close_of_the_server_is_answered_and_recorded() -> None:
    answers: list[bytes | None] = []

    async def handle(stream: trio.SocketStream) -> None:
        await stream.send_all(plain(0x88, b"\x03\xf4service restart"))
        answers.append(await read_to_end(stream))

    async with raw_server(handle) as port, connected(await endpoint(port)) as (one, _, ended):
        await until(ended.is_set)
        assert one.closed == (1012, "service restart", "peer")
        with pytest.raises(ConnectionClosed):
            one.send(b"late")
        await until(lambda: bool(answers))
    assert answers[0] is not None
    assert answers[0][0] == 0x88


async def test_a_server_without_a_close_is_recorded_as_lost() -> None:
    async def handle(stream: trio.SocketStream) -> None:
        await stream.aclose()

    async with raw_server(handle) as port, connected(await endpoint(port)) as (one, _, ended):
        await until(ended.is_set)
        assert one.closed is not None
        assert (one.closed.code, one.closed.by) == (1006, "lost")


async def test_our_close_ends_the_connection_on_both_sides() -> None:
    echo = Echo()
    async with serving(echo) as server, connected(await endpoint(server.ports[0])) as (one, _, ended):
        one.close(1000, "load test over")
        await until(ended.is_set)
        await echo.ended.wait()
        assert one.closed == (1000, "load test over", "us")
    assert echo.ends == [(1000, "load test over", "peer")]


@pytest.mark.parametrize(
    ("frames", "close"),
    [
        (plain(0x82, b"binary"), Close.NOT_TEXT),
        (b"\x81\x81maskx", Close.PROTOCOL_ERROR),
        (plain(0x80, b"no begin"), Close.PROTOCOL_ERROR),
        (plain(0xC1, b"reserved"), Close.PROTOCOL_ERROR),
        (plain(0x81, b"\xff"), Close.NOT_UTF8),
        (plain(0x01, b"\xff") + plain(0x80, b"\xff"), Close.NOT_UTF8),
        (b"\x81\x7f" + (1 << 40).to_bytes(8), Close.TOO_BIG),
        (plain(0x01, b"x") + plain(0x00, b"x") * 100, Close.TOO_FRAGMENTED),
        (plain(0x89) * 50, Close.TOO_MANY_CONTROL_FRAMES),
    ],
    ids=lambda value: value.name if isinstance(value, Close) else "",
)
async def test_a_server_that_breaks_a_rule_gets_a_close_that_says_so(frames: bytes, close: Close) -> None:
    answers: list[bytes | None] = []

    async def handle(stream: trio.SocketStream) -> None:
        await stream.send_all(frames)
        answers.append(await read_to_end(stream))

    async with raw_server(handle) as port, connected(await endpoint(port)) as (one, received, ended):
        await until(ended.is_set)
        assert received == []
        assert one.closed is not None
        assert (one.closed.code, one.closed.by) == (close.code, "us")
        await until(lambda: bool(answers))
    assert answers[0] is not None
    assert b"\x88" in answers[0]


async def test_a_message_that_the_kernel_does_not_take_at_once_arrives_whole() -> None:
    go, got = trio.Event(), bytearray()

    async def handle(stream: trio.SocketStream) -> None:
        await go.wait()
        async for data in stream:
            got.extend(data)

    async with raw_server(handle) as port, connected(await endpoint(port)) as (one, _, _):
        sent = 0
        while one._stream._busy is None:  # Until the buffers of the kernel are full.
            one.send(b"x" * 60_000)
            sent += 60_000 + 8
        one.send(b"last")
        go.set()
        await until(lambda: len(got) == sent + 10)
        assert one.closed is None


async def test_a_server_that_does_not_read_is_cut_off_before_it_costs_much_memory() -> None:
    async def handle(_stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with raw_server(handle) as port, connected(await endpoint(port)) as (one, _, ended):
        with pytest.raises(ConnectionClosed):  # noqa: PT012  the send that raises is not the first one
            for _ in range(10_000):
                one.send(b"x" * 10_000)
        assert len(one._stream._backlog or b"") <= BACKLOG_BYTES
        await until(ended.is_set)
        assert one.closed is not None
        assert one.closed.code == 1006


async def test_a_server_that_takes_too_long_to_read_is_cut_off_by_the_clock(mock_clock: MockClock) -> None:
    async def handle(_stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    limits = Limits(send_s=10)
    async with raw_server(handle) as port, connected(await endpoint(port), limits) as (one, _, ended):
        while one._stream._busy is None:
            one.send(b"x" * 60_000)
        await settle()
        mock_clock.jump(9.9)
        await settle()
        assert not ended.is_set()
        mock_clock.jump(0.2)
        await until(ended.is_set)


async def test_an_abort_resets_the_connection() -> None:
    ends: list[bytes | None] = []

    async def handle(stream: trio.SocketStream) -> None:
        ends.append(await read_to_end(stream))

    async with raw_server(handle) as port, connected(await endpoint(port)) as (one, _, ended):
        one.abort()
        await until(ended.is_set)
        await until(lambda: bool(ends))
    assert ends == [None]


async def test_a_frozen_connection_stays_open_and_neither_reads_nor_writes() -> None:
    streams: list[trio.SocketStream] = []
    read: list[bytes | None] = []

    async def handle(stream: trio.SocketStream) -> None:
        streams.append(stream)
        read.append(await read_to_end(stream))

    async with raw_server(handle) as port, connected(await endpoint(port)) as (one, received, ended):
        await until(lambda: bool(streams))
        frozen = one.freeze()
        await until(ended.is_set)
        await streams[0].send_all(plain(0x89) + plain(0x81, b"hello?"))
        await settle()
        with pytest.raises(ConnectionClosed):
            one.send(b"no")
        assert (received, read) == ([], [])
        assert frozen.recv(100, socket.MSG_PEEK) == plain(0x89) + plain(0x81, b"hello?")
        frozen.close()
        await until(lambda: bool(read))
    assert read == [None]  # The kernel resets, because nobody had read.
