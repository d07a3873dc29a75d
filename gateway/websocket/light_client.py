"""A charge point's websocket that costs so little that one process has thousands of them.

Unlike the client's side of a Connection, a LightConnection keeps nothing of the library that shook hands. For
frames other than whole text frames, it makes a state machine of wsproto, and drops it after the message. Its
`send` never waits, so timers may send. It has no clock, so its owner ends a connection whose peer is silent.
"""

import functools
import os
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import trio
from websockets.speedups import apply_mask
from wsproto import ConnectionType, WSConnection
from wsproto.connection import Connection as FrameProtocol
from wsproto.events import AcceptConnection, CloseConnection, Ping, RejectConnection, Request, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from gateway.websocket.client import REFUSAL_BYTES, NoUpgrade, UpgradeRefused
from gateway.websocket.close_codes import Close, Closed, ConnectionClosed, Violation, build_close_frame
from gateway.websocket.http_upgrade import BadUpgrade, read_head
from gateway.websocket.limits import Limits
from gateway.websocket.socket_stream import SocketStream, StartSoon
from gateway.websocket.text_frames import CLOSE, Rest, TextFrames
from gateway.websocket.tls_stream import TlsStream

LIGHT_LIMITS = Limits(message_bytes=262_144, frames_per_message=64, receive_bytes=4_096)
# Option of Linux: the kernel chooses the port of a source address at the connect, so that ports are shared.
_IP_BIND_ADDRESS_NO_PORT = 24

_READS = 8
"""Reads in a row before other connections get their turn."""

type Step = Literal["tcp", "tls", "upgrade"]
type Address = tuple[int, tuple[Any, ...]]
"""Family and address of a socket."""


class Endpoint(NamedTuple):
    """Where and how a client connects. `tls` is for wss only. `session` is a TLS session to resume."""

    url: str
    addresses: tuple[Address, ...]
    tls: ssl.SSLContext | None = None
    subprotocols: tuple[str, ...] = ("ocpp1.6",)
    headers: tuple[tuple[str, str], ...] = ()
    source_address: str | None = None
    session: ssl.SSLSession | None = None


class LightConnection:
    """A connection of a client. One task awaits `run`. `send`, `close`, `abort` and `freeze` never wait."""

    __slots__ = (
        "_close_sent",
        "_failure",
        "_frames",
        "_limits",
        "_on_text",
        "_over",
        "_start_soon",
        "_stream",
        "_unfinished",
        "closed",
    )

    def __init__(self, stream: SocketStream, early: bytes, *, limits: Limits, start_soon: StartSoon) -> None:
        """`early` holds the bytes that came after the head of the upgrade."""
        self._stream = stream
        self._frames = TextFrames(limits, masked=False)
        self._limits = limits
        self._start_soon = start_soon
        self._unfinished: tuple[FrameProtocol, list[str]] | None = None
        self._close_sent = False
        self._on_text: Callable[[bytes], object] = len
        self._over = False
        """Whether nothing more is to be read."""
        self._failure: BaseException | None = None
        """What was raised while the task of `run` waited."""
        self.closed: Closed | None = None
        if early:
            self._frames.feed(early, trio.current_time())

    @property
    def session(self) -> ssl.SSLSession | None:
        """The TLS session that a later connection may resume."""
        return self._stream.session if isinstance(self._stream, TlsStream) else None

    async def run(self, on_text: Callable[[bytes], None]) -> Closed:
        """Call `on_text` for every text message, in order, until the connection ends. Raises what it raises.

        A peer that has sent its CLOSE, or has received ours, gets a few seconds to end its side.
        """
        stream, frames = self._stream, self._frames
        self._on_text = on_text
        try:
            self._over = not self._deliver()
            while not self._over:
                if self._read():
                    await stream.attend(self._read)
                elif self._failure is None:
                    await trio.lowlevel.checkpoint()
                if self._failure is not None:
                    raise self._failure
        except Violation as violation:
            self._end(violation.closed)
            self._say_close(violation.closed)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            self._end(Close.BROKEN.record("lost", error))
            stream.close()
        else:
            self._end(Close.LEFT.record("lost"))
        finally:
            frames.drop()
            self._unfinished = self._failure = None
        if not stream.is_closed:
            await stream.finish(self._limits.close_s)
        return self.closed or Close.LEFT.record("lost")

    def _read(self) -> bool:
        """Handle what has come. Returns False if the task of `run` has to go on.

        The task goes on at the end, after a failure, and if there is more than others should wait for.
        """
        stream, frames, size = self._stream, self._frames, self._limits.receive_bytes
        try:
            for _ in range(_READS):
                data = stream.receive_now(size)
                if data is None:
                    return True
                if data:
                    frames.feed(data, trio.current_time())
                if not data or not self._deliver():
                    self._over = True
                    return False
        except BaseException as error:  # noqa: BLE001  `run` raises it
            self._failure = error
        return False

    def _deliver(self) -> bool:
        """Handle all whole frames. Returns False after the peer's CLOSE."""
        frames = self._frames
        while (frame := frames.cut()) is not None:
            if not isinstance(frame, bytes):
                self._pass_on(frame)
            elif self.closed is None:
                self._on_text(frame)
        return not frames.closed

    def _pass_on(self, frame: Rest) -> None:
        """Give wsproto a control frame or a part of a message."""
        protocol, parts = self._unfinished or (FrameProtocol(ConnectionType.CLIENT), [])
        try:
            protocol.receive_data(frame.data)
            for event in protocol.events():
                if isinstance(event, TextMessage):
                    parts.append(event.data)
                    self._unfinished = None if event.message_finished else (protocol, parts)
                    if event.message_finished and self.closed is None:
                        self._on_text("".join(parts).encode())
                elif isinstance(event, Ping):
                    self._write_control(protocol.send(event.response()))
                elif isinstance(event, CloseConnection):
                    self._take_close(protocol, event, frame)
        except (RemoteProtocolError, LocalProtocolError) as error:
            raise Violation(Close.PROTOCOL_ERROR, error) from error

    def _take_close(self, protocol: FrameProtocol, event: CloseConnection, frame: Rest) -> None:
        if frame.opcode != CLOSE:  # wsproto could not read the frame.
            not_utf8 = event.code == Close.NOT_UTF8.code
            raise Violation(Close.NOT_UTF8 if not_utf8 else Close.PROTOCOL_ERROR, event.reason)
        self._end(Closed(int(event.code), event.reason or "", "peer"))
        if not self._close_sent:
            self._write_control(protocol.send(event.response()))
            self._close_sent = True

    def _end(self, closed: Closed) -> None:
        """Note why the connection ended; only the first cause counts."""
        self.closed = self.closed or closed

    def send(self, text: bytes) -> None:
        """Send one text frame. Raises ConnectionClosed."""
        if self.closed is not None:
            raise ConnectionClosed(self.closed, written=False)
        length = len(text)
        if length < 126:
            head = bytes((0x81, 0x80 | length))
        elif length < 65_536:
            head = b"\x81\xfe" + length.to_bytes(2)
        else:
            head = b"\x81\xff" + length.to_bytes(8)
        mask = os.urandom(4)
        try:
            self._stream.send_at_once(head + mask + apply_mask(text, mask), self._start_soon)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            closed = Close.BROKEN.record("lost", error)
            self._end(closed)
            self._stream.abort()
            raise ConnectionClosed(closed) from None

    def close(self, code: int, reason: str) -> None:
        """Send CLOSE. The peer should answer, and `run` then ends; call `abort` if it does not."""
        if self.closed is None:
            closed = Closed(code, reason, "us")
            self._end(closed)
            self._say_close(closed)

    def _say_close(self, closed: Closed) -> None:
        if not self._close_sent:
            self._close_sent = True
            frame, mask = build_close_frame(closed), os.urandom(4)
            self._write_control(bytes((frame[0], frame[1] | 0x80)) + mask + apply_mask(frame[2:], mask))

    def _write_control(self, frame: bytes) -> None:
        try:
            self._stream.send_at_once(frame, self._start_soon)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._stream.abort()

    def abort(self) -> None:
        """End the connection with a TCP reset."""
        self._end(Close.DROPPED.record("us"))
        self._stream.abort()

    def freeze(self) -> socket.socket:
        """End `run`, but leave the socket open, and neither read nor write any more.

        The caller closes the socket. Raises trio.ClosedResourceError if the connection has ended.
        """
        frozen = self._stream.detach()
        self._end(Close.DROPPED.record("us"))
        return frozen


class _LightTlsStream(TlsStream):
    __slots__ = ()
    read_bytes = 1_024


async def resolve(url: str) -> tuple[Address, ...]:
    """Look up the addresses of the host of a URL. Raises OSError."""
    parts = _split(url)
    found = await trio.socket.getaddrinfo(parts.host, parts.port, type=socket.SOCK_STREAM)
    return tuple((family, address) for family, _, _, _, address in found)


async def connect_light(
    endpoint: Endpoint,
    start_soon: StartSoon,
    *,
    on_step: Callable[[Step, float], None] = lambda _step, _seconds: None,
    limits: Limits = LIGHT_LIMITS,
) -> LightConnection:
    """Open a connection, and report the seconds of each step.

    The caller bounds the time. `start_soon` starts the tasks that send what the kernel did not take at once.
    Raises UpgradeRefused, OSError (TCP failed or ended during the TLS handshake) or ssl.SSLError.
    """
    parts = _split(endpoint.url)
    began = trio.current_time()
    sock = await _open_socket(endpoint)
    opened = trio.current_time()
    on_step("tcp", opened - began)
    stream = _make_stream(sock, endpoint, parts, limits)
    try:
        if isinstance(stream, TlsStream):
            await _shake_hands(stream)
            began, opened = opened, trio.current_time()
            on_step("tls", opened - began)
        early = await _upgrade(stream, endpoint, parts, limits)
    except BaseException:
        stream.close()
        raise
    on_step("upgrade", trio.current_time() - opened)
    return LightConnection(stream, early, limits=limits, start_soon=start_soon)


_default_tls = functools.cache(ssl.create_default_context)


class _Parts(NamedTuple):
    secure: bool
    host: str
    port: int
    authority: str
    target: str


def _split(url: str) -> _Parts:
    parts = urlsplit(url)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        raise ValueError("the URL is not a websocket URL; use ws:// or wss:// with a host")
    secure = parts.scheme == "wss"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    authority = parts.netloc.rpartition("@")[2]
    return _Parts(secure, parts.hostname, parts.port or (443 if secure else 80), authority, target)


async def _open_socket(endpoint: Endpoint) -> socket.socket:
    failure: OSError = ConnectionError("the host has no address")
    for family, address in endpoint.addresses:
        sock = trio.socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if endpoint.source_address is not None:
                sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
                await sock.bind((endpoint.source_address, 0))
            await sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return socket.socket(fileno=sock.detach())
    raise failure


def _make_stream(sock: socket.socket, endpoint: Endpoint, parts: _Parts, limits: Limits) -> SocketStream:
    remote = (parts.host, parts.port)
    if not parts.secure:
        return SocketStream(sock, remote, send_s=limits.send_s)
    return _LightTlsStream(
        sock,
        remote,
        endpoint.tls or _default_tls(),
        send_s=limits.send_s,
        server_side=False,
        server_hostname=parts.host,
        session=endpoint.session,
    )


async def _shake_hands(stream: TlsStream) -> None:
    try:
        await stream.handshake()
    except trio.BrokenResourceError as error:
        raise ConnectionResetError(str(error)) from None


async def _upgrade(stream: SocketStream, endpoint: Endpoint, parts: _Parts, limits: Limits) -> bytes:
    """Return the bytes that came after the server's 101."""
    protocol = WSConnection(ConnectionType.CLIENT)
    request = Request(
        host=parts.authority,
        target=parts.target,
        subprotocols=list(endpoint.subprotocols),
        extra_headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in endpoint.headers],
    )
    try:
        await stream.send_all(protocol.send(request))
        head, early = await read_head(stream, limits.head_bytes)
        protocol.receive_data(head)
        answer = next(iter(protocol.events()), None)
        if isinstance(answer, AcceptConnection):
            return early
        if not isinstance(answer, RejectConnection):
            raise NoUpgrade
        # The body ends with the stream or after its length. `_read_body` waits for it only a short time.
        pairs = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers)
        text = (await _read_body(stream, early, pairs)).decode(errors="replace").strip()
        raise UpgradeRefused(answer.status_code, text, pairs)
    except BadUpgrade as bad:
        raise (NoUpgrade(bad.text) if bad.status else UpgradeRefused(0, bad.text)) from None
    except (RemoteProtocolError, LocalProtocolError) as error:
        raise NoUpgrade(error) from None
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise UpgradeRefused(0, str(error)) from None


async def _read_body(stream: SocketStream, early: bytes, headers: Iterable[tuple[str, str]]) -> bytes:
    """Read at most REFUSAL_BYTES of the body of a refusal, and at most for two seconds."""
    lengths = [value for name, value in headers if name.lower() == "content-length"]
    length = int(lengths[0]) if lengths and lengths[0].isdecimal() else REFUSAL_BYTES
    body = early
    with trio.move_on_after(2):
        while len(body) < min(length, REFUSAL_BYTES):
            try:
                data = await stream.receive_some(4_096)
            except trio.BrokenResourceError:
                break
            if not data:
                break
            body += data
    return body[:REFUSAL_BYTES]
