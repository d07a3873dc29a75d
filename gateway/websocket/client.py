"""The charge point's side of the websocket transport, for the load test."""

import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, cast, override
from urllib.parse import SplitResult, urlsplit

import trio
import trio_websocket
from trio_websocket import wrap_client_stream

from gateway.websocket.borrowed_reader import BorrowedReader
from gateway.websocket.connection import Connection
from gateway.websocket.http_upgrade import BadUpgrade, read_head
from gateway.websocket.limits import Limits
from gateway.websocket.socket_stream import SocketStream
from gateway.websocket.stats import Stats
from gateway.websocket.tls_stream import TlsStream

# Greatest number of bytes that are read of a refusal.
REFUSAL_BYTES = 65_536


class UpgradeRefused(Exception):  # noqa: N818  it says what happened
    """The server answered with an HTTP status instead of a websocket, or hung up (status 0)."""

    def __init__(self, status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(f"refused with {status}: {text}")
        self.status = status
        self.text = text
        self.headers = headers


class NoUpgrade(UpgradeRefused):
    """The server answered, but neither with the upgrade that was asked for nor with a refusal."""

    def __init__(self, why: object = "") -> None:
        text = "the server did not answer with a websocket upgrade"
        super().__init__(0, f"{text}: {why}" if why else text)


class _Started(Exception):  # noqa: N818  it says what happened
    """trio-websocket has made its connection and would now wait for bytes that only our code can feed."""


class _ClientReader(BorrowedReader):
    __slots__ = ()

    @override
    def start_soon(self, reader: Callable[[], Coroutine[Any, Any, None]]) -> None:
        super().start_soon(reader)
        raise _Started


@asynccontextmanager
async def connect(
    url: str,
    *,
    ssl_context: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    subprotocols: Iterable[str] = ("ocpp1.6",),
    headers: Iterable[tuple[str, str]] = (),
    source_address: str | None = None,
    limits: Limits | None = None,
    stats: Stats | None = None,
) -> AsyncIterator[Connection]:
    """Open a connection. A connection that is still open at the end of the block is dropped without a CLOSE.

    Raises UpgradeRefused, OSError (TCP failed or ended during the TLS handshake), ssl.SSLError or
    trio.TooSlowError.
    """
    limits = limits or Limits()
    stats = stats or Stats()
    parts = urlsplit(url)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        raise ValueError(f"{url} is not a websocket URL; use ws:// or wss:// with a host")
    stream: SocketStream | None = None
    reader: _ClientReader | None = None
    try:
        with trio.fail_after(limits.tls_handshake_s + limits.http_upgrade_s):
            stream = await _open_stream(parts, ssl_context, server_hostname, source_address, limits)
            reader = _ClientReader(stream)
            early = await _upgrade(reader, parts, tuple(subprotocols), headers, limits)
        connection = Connection(
            reader,
            early,
            side="client",
            subprotocol=reader.resume(limits.message_bytes).subprotocol or "",
            tls=stream.describe() if isinstance(stream, TlsStream) else None,
            limits=limits,
            stats=stats,
        )
        try:
            yield connection
        finally:
            await connection.aclose()
    finally:
        if stream is not None:
            stream.close()
        if reader is not None:
            await reader.finish()


async def _open_stream(
    parts: SplitResult,
    ssl_context: ssl.SSLContext | None,
    server_hostname: str | None,
    source_address: str | None,
    limits: Limits,
) -> SocketStream:
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    tcp = await trio.open_tcp_stream(host, port, local_address=source_address)
    sock = socket.socket(fileno=tcp.socket.detach())
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if parts.scheme == "ws":
        return SocketStream(sock, (host, port), send_s=limits.send_s)
    stream = TlsStream(
        sock,
        (host, port),
        ssl_context or ssl.create_default_context(),
        send_s=limits.send_s,
        server_side=False,
        server_hostname=server_hostname or host,
    )
    try:
        await stream.handshake()
    except trio.BrokenResourceError as error:
        stream.close()
        raise ConnectionResetError(str(error)) from None
    except BaseException:
        stream.close()
        raise
    return stream


async def _upgrade(
    reader: _ClientReader,
    parts: SplitResult,
    subprotocols: tuple[str, ...],
    headers: Iterable[tuple[str, str]],
    limits: Limits,
) -> bytes:
    """Return the bytes that came after the server's 101."""
    with contextlib.suppress(_Started):
        await wrap_client_stream(
            cast(trio.Nursery, reader),
            cast(trio.SocketStream, reader),
            parts.netloc.rpartition("@")[2],
            (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            subprotocols=subprotocols,
            extra_headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
            max_message_size=limits.message_bytes,
        )
    try:
        await reader.feed()  # The first `feed` sends the request.
        head, early = await read_head(reader.stream, limits.head_bytes)
        if b" 101 " in head.partition(b"\n")[0]:
            await _pass_on(reader, head)
        else:
            await _read_refusal(reader, head + early)
    except trio_websocket.ConnectionRejected as rejected:
        text = (rejected.body or b"").decode(errors="replace").strip()
        pairs = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in rejected.headers)
        raise UpgradeRefused(rejected.status_code, text, pairs) from None
    except BadUpgrade as bad:
        raise UpgradeRefused(0, bad.text) from None
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise UpgradeRefused(0, str(error)) from None
    if reader.done:
        raise NoUpgrade
    return early


async def _read_refusal(reader: BorrowedReader, data: bytes) -> None:
    """Let trio-websocket read the refusal to its end, and raise ConnectionRejected."""
    taken = 0
    while not reader.done and taken < REFUSAL_BYTES:
        await _pass_on(reader, data)
        if not data:
            break
        taken += len(data)
        data = await reader.stream.receive_some(4_096)
    raise NoUpgrade


async def _pass_on(reader: BorrowedReader, data: bytes) -> None:
    try:
        await reader.feed(data)
    except trio_websocket.ConnectionRejected:
        raise
    except Exception as error:  # Some bad answers make trio-websocket raise other errors.
        raise NoUpgrade from error
