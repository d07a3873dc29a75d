"""The API on Hypercorn: our own listening socket, HTTP/1.1, every wait bounded, started again if it falls."""

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
    """The text is one line that says what to change."""


def listen(host: str, port: int, *, unacknowledged_s: float) -> socket.socket:
    """Listen. Accepted sockets inherit that a client which takes nothing for so long is cut off.

    Hypercorn shields its sends from cancellation: otherwise one stalled client keeps the process alive.
    Raises CannotListen.
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
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        hint = "; choose another with listen.port" if error.errno == errno.EADDRINUSE else ""
        raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror}{hint}") from None
    return listener


async def serve_app(
    app: QuartApp,
    listener: socket.socket,
    limits: AdminLimits,
    stop: trio.Event,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until `stop`; start again if a connection brings Hypercorn's whole server down, as it can."""
    while not stop.is_set():
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(_serve_once, app, listener, limits, stop)
                task_status.started()
                task_status = trio.TASK_STATUS_IGNORED
        except* Exception as group:  # noqa: BLE001  whatever a peer provoked: say it, and go on serving
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
    with listener.dup() as own:  # Hypercorn's end of it must not close ours.
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
