"""Serve HTTP with Hypercorn's connections, on our own listening socket and with bounded waits.

csms accepts the connections itself. So an error ends only its own connection, and csms can cut the
connections that outlive the time for stopping.
"""

import errno
import logging
import socket
import struct
from contextlib import suppress

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState

from admin.config import AdminLimits
from admin.http.quart_app import QuartApp
from gateway.service.accepting import Acceptor

BACKLOG = 1024
_PIECE = 65_536
"""Bytes that a client must take within `limits.unread_s`."""
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

_log = structlog.get_logger("csms.admin")


class CannotListen(OSError):  # noqa: N818  says what happened
    """The API cannot listen. The text of the error is one line that says what to change."""


def bind(host: str, port: int, *, unacknowledged_s: float) -> socket.socket:
    """Reserve the port of the API, and return a socket that does not listen yet. Raises CannotListen.

    A client that acknowledges nothing for `unacknowledged_s` will be cut off.

    Accepted sockets inherit the limit.
    """
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(unacknowledged_s * 1000))
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _describe(error, host, port) from None
    return listener


def begin_listening(listener: socket.socket) -> None:
    """Accept connections from now on. Raises CannotListen.

    Until then a client gets no connection, because a process that waits for its store cannot answer.
    """
    try:
        listener.listen(BACKLOG)
    except OSError as error:
        host, port, *_ = listener.getsockname()
        raise _describe(error, host, port) from None


def _describe(error: OSError, host: str, port: int) -> CannotListen:
    hint = "; choose another port with listen.port" if error.errno == errno.EADDRINUSE else ""
    return CannotListen(f"cannot listen on {host}:{port}: {error.strerror}{hint}")


async def serve_app(
    app: QuartApp,
    listener: socket.socket,
    limits: AdminLimits,
    stop: trio.Event,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until `stop` is set, and at most `limits.graceful_s` longer."""
    settings = _settings(limits)
    wrapped = ASGIWrapper(app)
    lifespan = Lifespan(wrapped, settings, {})
    async with trio.open_nursery() as nursery:
        await nursery.start(lifespan.handle_lifespan)
        await lifespan.wait_for_startup()
        connections = _Connections(wrapped, settings, limits.unread_s)
        await connections.serve(listener, stop, limits.graceful_s, task_status)
        await lifespan.wait_for_shutdown()
        nursery.cancel_scope.cancel()


class _Connections:
    """The open connections of the API."""

    def __init__(self, app: AppWrapper, settings: Config, unread_s: float) -> None:
        self._app = app
        self._settings = settings
        self._unread_s = unread_s
        self._context = WorkerContext(None)
        self._open: set[trio.SocketStream] = set()
        self._ended = trio.lowlevel.ParkingLot()

    async def serve(
        self, listener: socket.socket, stop: trio.Event, graceful_s: float, task_status: trio.TaskStatus[None]
    ) -> None:
        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as accepting:
                accepting.start_soon(self._accept, Acceptor(listener), connections)
                task_status.started()
                await stop.wait()
                accepting.cancel_scope.cancel()
            await self._context.terminated.set()  # Connections without a request end now.
            connections.start_soon(self._cut, connections.cancel_scope, graceful_s)

    async def _accept(self, acceptor: Acceptor, connections: trio.Nursery) -> None:
        while True:
            stream = await acceptor.accept()
            self._open.add(stream)
            connections.start_soon(self._serve_one, stream)

    async def _serve_one(self, stream: trio.SocketStream) -> None:
        try:
            await TCPServer(
                self._app,
                self._settings,
                self._context,
                ConnectionState({}),
                _Stream(stream, self._unread_s),  # type: ignore[arg-type] # It needs no more of a stream.
            )
        except* Exception:  # noqa: BLE001  An error must end only this connection.
            _log.exception("connection.crashed")
        finally:
            self._open.discard(stream)
            self._ended.unpark_all()
            stream.socket.close()

    async def _cut(self, connections: trio.CancelScope, graceful_s: float) -> None:
        """Wait for the open connections for `graceful_s`, and then end the rest.

        Hypercorn shields its sends from cancellation. So a send to a client that does not read ends only when
        its socket is closed.
        """
        with trio.move_on_after(graceful_s):
            while self._open:
                await self._ended.park()
        connections.cancel()
        for stream in self._open:
            _reset(stream)


class _Stream:
    """A connection whose client must take the bytes that are sent within a time.

    Nothing else ends a send to a client that reads a little from time to time: TCP_USER_TIMEOUT counts the
    time without progress only, and Hypercorn shields its sends from cancellation.
    """

    def __init__(self, stream: trio.SocketStream, unread_s: float) -> None:
        self.socket = stream.socket
        self.receive_some = stream.receive_some
        self.send_eof = stream.send_eof
        self.aclose = stream.aclose
        self._stream = stream
        self._unread_s = unread_s

    async def send_all(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            with trio.move_on_after(self._unread_s) as waiting:
                await self._stream.send_all(left[:_PIECE])
            if waiting.cancelled_caught:
                address = ""
                with suppress(OSError):  # The client may have left just now.
                    address = self.socket.getpeername()[0]
                _log.info("client.unread", address=address, bytes=len(left))
                _reset(self._stream)
                raise trio.BrokenResourceError("the client does not take the answer in time")
            left = left[_PIECE:]


def _reset(stream: trio.SocketStream) -> None:
    # A close that waits for the client would keep the bytes that the client does not read.
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    stream.socket.close()


def _settings(limits: AdminLimits) -> Config:
    settings = Config()
    settings.alpn_protocols = ["http/1.1"]
    settings.keep_alive_timeout = limits.idle_connection_s
    settings.include_server_header = False
    settings.accesslog = None
    settings.errorlog = logging.getLogger("hypercorn.error")
    return settings
