"""Accepts charge points: the accept loop never dies, and no peer can end another's connection."""

import contextlib
import errno
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence

import trio
import trio_websocket

from gateway.websocket import readiness
from gateway.websocket.close_codes import INTERNAL_ERROR
from gateway.websocket.http_upgrade import BadUpgrade, Upgrade, answer, receive_upgrade
from gateway.websocket.limits import Limits
from gateway.websocket.socket_stream import SocketStream
from gateway.websocket.stats import Stats
from gateway.websocket.tls_stream import TlsInfo, TlsStream

# Connections accepted per wake-up before others get their turn.
ACCEPT_BURST = 32
# accept() errors that pass by themselves once descriptors or memory are free again.
_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
EXHAUSTED_S = 0.1
# When the cap on handshakes is reached, those older than this make room, looked at so often.
SPARED_S = 2.0
ROOM_S = 0.1

_log = logging.getLogger(__name__)

type Handle = Callable[[Upgrade], Awaitable[None]]


class Server:
    """What `serve` reports when it listens."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        handle: Handle,
        tls: ssl.SSLContext | None,
        limits: Limits,
        stats: Stats,
    ) -> None:
        self.ports = [sock.getsockname()[1] for sock in sockets]
        self.stats = stats
        self._sockets = sockets
        self._handle = handle
        self._tls = tls
        self._limits = limits
        self._room = trio.Event()
        self._accepting = trio.CancelScope()

    def stop_accepting(self) -> None:
        """Take who already waits in the accept queues, then close the listeners; open connections live on."""
        self._accepting.cancel()

    async def run(self) -> None:
        try:
            async with trio.open_nursery() as connections:
                with self._accepting:
                    async with trio.open_nursery() as acceptors:
                        for sock in self._sockets:
                            acceptors.start_soon(self._accept_all, sock, connections)
                with contextlib.suppress(OSError):  # Closing a listener resets those who wait in its queue.
                    for sock in self._sockets:
                        while self._accept(sock, connections):
                            pass
                self._close_listeners()
        finally:
            self._close_listeners()

    def _close_listeners(self) -> None:
        for sock in self._sockets:
            if sock.fileno() >= 0:
                trio.lowlevel.notify_closing(sock)
                sock.close()

    async def _accept_all(self, listener: socket.socket, connections: trio.Nursery) -> None:
        while True:
            while self.stats.handshaking >= self._limits.handshakes_in_flight:
                await self._make_room()
            await trio.lowlevel.wait_readable(listener)
            try:
                for _ in range(ACCEPT_BURST):
                    if not self._accept(listener, connections):
                        break
            except OSError as error:
                self.stats.accept_errors += 1
                _log.warning("cannot accept connections for now: %s", error)
                await trio.sleep(EXHAUSTED_S)

    async def _make_room(self) -> None:
        """Who dawdles must not keep out who waits in the accept queue."""
        now = trio.current_time()
        for handshake in tuple(self.stats.handshakes):
            if now - handshake.since > SPARED_S and handshake.stream is not None:
                self.stats.handshake_failures["slow, while others waited"] += 1
                handshake.stream.abort()
                handshake.over()
        self._room = trio.Event()
        with trio.move_on_after(ROOM_S):
            await self._room.wait()

    def _accept(self, listener: socket.socket, connections: trio.Nursery) -> bool:
        """Whether there was one. Raises OSError if there is no room for it."""
        try:
            sock, address = listener.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in _EXHAUSTED:
                raise
            return True  # The peer gave up while it waited (ECONNABORTED and the like).
        self.stats.accepted += 1
        if self.stats.open >= self._limits.connections:
            self.stats.over_limit += 1
            sock.close()
            return True
        self.stats.open += 1
        connections.start_soon(self._serve_one, sock, (address[0], address[1]), Handshake(self))
        return True

    async def _serve_one(self, sock: socket.socket, remote: tuple[str, int], handshake: "Handshake") -> None:
        """The barrier: whatever happens in here ends this connection alone."""
        try:
            stream = handshake.stream = self._open_stream(sock, remote)
            await self._attend(stream, handshake)
        except* (trio.BrokenResourceError, trio.ClosedResourceError, trio_websocket.ConnectionClosed):
            pass
        except* Exception:  # noqa: BLE001  the barrier
            self.stats.crashed += 1
            _log.exception("a connection ended by an unexpected error")
        finally:
            handshake.over()
            self.stats.open -= 1
            if handshake.stream is None:
                sock.close()
            else:
                handshake.stream.close()

    def _open_stream(self, sock: socket.socket, remote: tuple[str, int]) -> SocketStream:
        if self._tls is None:
            return SocketStream(sock, remote, send_s=self._limits.send_s)
        return TlsStream(sock, remote, self._tls, send_s=self._limits.send_s, server_side=True)

    async def _attend(self, stream: SocketStream, handshake: "Handshake") -> None:
        tls = None
        if isinstance(stream, TlsStream):
            tls = await self._handshake_tls(stream)
            if tls is None:
                return
        try:
            upgrade, reader = await receive_upgrade(stream, tls=tls, limits=self._limits, stats=self.stats)
        except BadUpgrade as bad:
            handshake.over()
            if bad.status:
                self.stats.refused[bad.status] += 1
                await stream.send_all(answer(bad.status, bad.text, [("Sec-WebSocket-Version", "13")]))
                await stream.finish(self._limits.close_s)
            else:
                self.stats.handshake_failures["left before its request"] += 1
            return
        handshake.over()
        try:
            await self._handle(upgrade)
            if not upgrade.answered:
                raise RuntimeError("the handler neither accepted nor refused the connection")  # noqa: TRY301
        except Exception:
            if upgrade.connection is not None:
                await upgrade.connection.close(INTERNAL_ERROR, "internal error")
            elif not upgrade.answered:
                await upgrade.refuse(500, "The server failed to decide about this connection.")
            raise
        finally:
            with trio.CancelScope(shield=True):
                if upgrade.connection is not None:
                    await upgrade.connection.aclose()
                await reader.finish()

    async def _handshake_tls(self, stream: TlsStream) -> TlsInfo | None:
        failed = self.stats.handshake_failures
        try:
            with trio.fail_after(self._limits.tls_handshake_s):
                await stream.handshake()
        except trio.TooSlowError:
            failed["TLS: too slow"] += 1
        except trio.BrokenResourceError:
            failed["TLS: left"] += 1
        except ssl.SSLError as error:
            failed[f"TLS: {error.reason}"] += 1
            await stream.finish(self._limits.close_s)
        else:
            return stream.info()
        return None


class Handshake:
    """One of the handshakes in flight, until it is over."""

    __slots__ = ("_server", "since", "stream")

    def __init__(self, server: Server) -> None:
        self._server = server
        self.stream: SocketStream | None = None
        self.since = trio.current_time()
        server.stats.handshakes[self] = None

    def over(self) -> None:
        if self._server.stats.handshakes.pop(self, self) is None:
            self._server._room.set()  # noqa: SLF001  two halves of one thing


async def serve(
    sockets: Sequence[socket.socket],
    *,
    handle: Handle,
    tls: ssl.SSLContext | None = None,
    limits: Limits | None = None,
    stats: Stats | None = None,
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run `handle` for every charge point that asks for a websocket; its return ends the connection.

    Returns after `stop_accepting`, when the last connection has ended; cancelling ends them all.
    """
    readiness.current()  # Its file now, not when the first charge point finds none left.
    server = Server(sockets, handle, tls, limits or Limits(), stats or Stats())
    task_status.started(server)
    await server.run()
