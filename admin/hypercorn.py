"""Run Hypercorn with our own listening socket, with bounded waits and with a restart after a crash."""

import errno
import logging
import socket

import structlog
import trio
from hypercorn.config import Config, Sockets
from hypercorn.trio import serve as hypercorn_serve

from admin.config import AdminLimits
from admin.http.quart_app import QuartApp

BACKLOG = 1024
_RESTART_S = 0.5

_log = structlog.get_logger("csms.admin")


class CannotListen(OSError):  # noqa: N818  says what happened
    """The API cannot listen. The text of the error is one line that says what to change."""


def bind(host: str, port: int, *, unacknowledged_s: float) -> socket.socket:
    """Reserve the port of the API, and return a socket that does not listen yet. Raises CannotListen.

    A client that acknowledges nothing for `unacknowledged_s` will be cut off.

    Accepted sockets inherit the limit. Hypercorn shields its sends from cancellation, so without the limit
    one stalled client would keep the process alive.
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
    """Serve until `stop` is set. If a connection crashes the whole Hypercorn server, start it again."""
    while not stop.is_set():
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(_serve_once, app, listener, limits, stop)
                task_status.started()
                task_status = trio.TASK_STATUS_IGNORED
        except* Exception as group:  # noqa: BLE001  a peer may provoke anything: log it and serve on
            _log.error("server.restarted", exc_info=group)
        if not stop.is_set():
            await trio.sleep(_RESTART_S)


async def _serve_once(
    app: QuartApp,
    listener: socket.socket,
    limits: AdminLimits,
    stop: trio.Event,
    *,
    task_status: trio.TaskStatus[list[str]],
) -> None:
    with listener.dup() as own:  # Hypercorn closes this copy; `listener` stays open.
        await hypercorn_serve(
            app,
            _settings(own, limits),
            shutdown_trigger=stop.wait,
            task_status=task_status,
            mode="asgi",
        )


class _Settings(Config):
    listener: socket.socket

    def create_sockets(self) -> Sockets:
        self.listener.setblocking(False)
        return Sockets([], [self.listener], [])


def _settings(listener: socket.socket, limits: AdminLimits) -> _Settings:
    settings = _Settings()
    settings.listener = listener
    settings.backlog = BACKLOG
    settings.alpn_protocols = ["http/1.1"]
    settings.keep_alive_timeout = limits.idle_connection_s
    settings.graceful_timeout = limits.graceful_s
    settings.include_server_header = False
    settings.accesslog = None
    settings.errorlog = logging.getLogger("hypercorn.error")
    return settings
