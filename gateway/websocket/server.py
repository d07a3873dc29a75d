"""Accepts charge points.

The accept loop never ends by itself, and no peer can end the connection of another peer.
"""

import contextlib
import errno
import math
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence

import structlog
import trio
import trio_websocket

from gateway.websocket import readiness
from gateway.websocket.client_hello import RECORD_MAX, may_resume
from gateway.websocket.close_codes import Close
from gateway.websocket.handshakes import Handshake, Handshakes
from gateway.websocket.http_upgrade import BadUpgrade, Upgrade, build_answer, receive_upgrade
from gateway.websocket.limits import Limits
from gateway.websocket.listeners import begin_listening
from gateway.websocket.proxy_protocol import HEADER_MAX, BadHeader, Header, may_begin, parse
from gateway.websocket.refusals import OnRefused, Refused, explain
from gateway.websocket.socket_stream import SocketStream
from gateway.websocket.stats import Stats
from gateway.websocket.tls import ServerContext, without_sessions
from gateway.websocket.tls_stream import TlsInfo, TlsStream
from gateway.websocket.turns import TooBusy

# Number of connections that are accepted in a row before other tasks get their turn.
ACCEPT_BURST = 32
# Errors of accept() that end once descriptors or memory are free again.
_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
EXHAUSTED_S = 0.1
# A TLS handshake that waits longer for its first turn is cut. Its charge point would soon give up anyway.
PATIENCE_S = 9.0
COMPLAINT_S = 10.0

_log = structlog.get_logger()

type Handle = Callable[[Upgrade], Awaitable[None]]


class Server:
    """A listening server, which `serve` passes to its caller."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        handle: Handle,
        *,
        tls: Callable[[], ServerContext] | None,
        limits: Limits,
        stats: Stats,
        handshakes: Handshakes,
        on_refused: OnRefused | None,
        trusts_proxy: Callable[[str], bool] | None,
    ) -> None:
        self.ports = [sock.getsockname()[1] for sock in sockets]
        self.stats = stats
        self._sockets = sockets
        self._handle = handle
        self._tls = tls
        self._limits = limits
        self._handshakes = handshakes
        self._on_refused = on_refused
        self._trusts_proxy = trusts_proxy
        self._accepting = trio.CancelScope()
        self._spare = socket.socket()
        self._complain_at = -math.inf

    def stop_accepting(self) -> None:
        """Accept the connections that wait in the queues, then close the listeners. Open connections stay."""
        self._accepting.cancel()

    async def run(self) -> None:
        try:
            async with trio.open_nursery() as connections:
                with self._accepting:
                    async with trio.open_nursery() as acceptors:
                        for sock in self._sockets:
                            acceptors.start_soon(self._accept_all, sock, connections)
                # Closing a listener resets the connections in its queue, so we accept those first.
                with contextlib.suppress(OSError):
                    for sock in self._sockets:
                        while self._accept(sock, connections):
                            pass
                self._close_listeners()
        finally:
            self._close_listeners()
            self._spare.close()

    def _close_listeners(self) -> None:
        for sock in self._sockets:
            if sock.fileno() >= 0:
                trio.lowlevel.notify_closing(sock)
                sock.close()

    async def _accept_all(self, listener: socket.socket, connections: trio.Nursery) -> None:
        while True:
            while len(self._handshakes) >= self._limits.handshakes_in_flight:
                await self._handshakes.make_room(self.stats.handshake_failures)
            await trio.lowlevel.wait_readable(listener)
            try:
                for _ in range(ACCEPT_BURST):
                    if not self._accept(listener, connections):
                        break
            except OSError as error:
                self._refuse_waiting(listener, error)
                await trio.sleep(EXHAUSTED_S)

    def _refuse_waiting(self, listener: socket.socket, error: OSError) -> None:
        """Close the connections in the queue, so that their charge points try elsewhere or later.

        No descriptor is left for them. The spare one lets us take them out of the queue.
        """
        if trio.current_time() >= self._complain_at:
            self._complain_at = trio.current_time() + COMPLAINT_S
            _log.warning("listener.accept_failed", error=str(error))
        self._spare.close()
        with contextlib.suppress(OSError):
            for _ in range(ACCEPT_BURST):
                listener.accept()[0].close()
                self.stats.accepted += 1
                self.stats.over_limit += 1
        with contextlib.suppress(OSError):
            self._spare = socket.socket()

    def _accept(self, listener: socket.socket, connections: trio.Nursery) -> bool:
        """Accept a connection. Return whether there was a connection in the queue.

        Raises OSError if no descriptor or memory is left for the connection.
        """
        try:
            sock, address = listener.accept()
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in _EXHAUSTED:
                raise
            return True  # The peer left the queue (ECONNABORTED and similar errors).
        self.stats.accepted += 1
        if self.stats.open >= self._limits.connections:
            self.stats.over_limit += 1
            sock.close()
            return True
        self.stats.open += 1
        connections.start_soon(self._serve_socket, sock, (address[0], address[1]), self._handshakes.begin())
        return True

    async def _serve_socket(self, sock: socket.socket, remote: tuple[str, int], handshake: Handshake) -> None:
        """Serve one connection. An error ends only this connection."""
        counted = None
        try:
            stream = handshake.stream = self._open_stream(sock, remote)
            trusts = self._trusts_proxy
            if trusts is None or await self._learn_source(stream, trusts):
                counted = self._count_address(stream)
                if counted is not None:
                    await self._serve_peer(stream, handshake)
        except* (trio.BrokenResourceError, trio.ClosedResourceError, trio_websocket.ConnectionClosed):
            pass
        except* Exception:  # noqa: BLE001  An error must end only this connection.
            self.stats.crashed += 1
            _log.exception("connection.crashed")
        finally:
            if counted:
                self._discount_address(counted)
            self._handshakes.end(handshake)
            self.stats.open -= 1
            if handshake.stream is None:
                sock.close()
            else:
                handshake.stream.close()

    def _open_stream(self, sock: socket.socket, remote: tuple[str, int]) -> SocketStream:
        if self._tls is None:
            return SocketStream(sock, remote, send_s=self._limits.send_s)
        return TlsStream(sock, remote, self._tls(), send_s=self._limits.send_s, server_side=True)

    def _count_address(self, stream: SocketStream) -> str | None:
        """Count the connection for its address, and return the address, or "" if there is no limit.

        None means that the address has too many connections.
        """
        limit, address = self._limits.connections_per_address, stream.remote[0]
        if not limit:
            return ""
        if self.stats.of_address[address] >= limit:
            self._note_refused(stream, Refused.TOO_MANY_CONNECTIONS)
            return None
        self.stats.of_address[address] += 1
        return address

    def _discount_address(self, address: str) -> None:
        of_address = self.stats.of_address
        of_address[address] -= 1
        if not of_address[address]:
            del of_address[address]

    async def _learn_source(self, stream: SocketStream, trusts: Callable[[str], bool]) -> bool:
        """Read the PROXY header. Return whether to serve the connection."""
        trusted = trusts(stream.remote[0])
        try:
            with trio.fail_after(self._limits.proxy_header_s):
                header = await _read_proxy_header(stream, trusted=trusted)
        except trio.TooSlowError:
            if not trusted:
                return True  # The deadlines of TLS and HTTP come next.
            self._note_refused(stream, Refused.PROXY_HEADER_MISSING, "The header did not arrive in time.")
        except trio.BrokenResourceError:
            self.stats.handshake_failures["left_before_request"] += 1
        except BadHeader as error:
            self._note_refused(stream, error.reason, str(error))
            await stream.finish(self._limits.close_s)
        else:
            if header is None or not header.local:
                stream.remote = (header and header.source) or stream.remote
                stream.encrypted_before = header is not None and header.encrypted
                return True
            await stream.finish(self._limits.close_s)  # The proxy only wanted to know whether we listen.
        return False

    async def _serve_peer(self, stream: SocketStream, handshake: Handshake) -> None:
        tls = None
        if isinstance(stream, TlsStream):
            tls = await self._handshake_tls(stream, handshake)
            if tls is None:
                return
        try:
            upgrade, reader = await receive_upgrade(stream, tls=tls, limits=self._limits, stats=self.stats)
        except BadUpgrade as bad:
            self._handshakes.end(handshake)
            if bad.reason is not None:
                self._note_refused(stream, bad.reason)
                await stream.send_all(build_answer(bad.status, bad.text, [("Sec-WebSocket-Version", "13")]))
                await stream.finish(self._limits.close_s)
            else:
                self.stats.handshake_failures["left_before_request"] += 1
            return
        self._handshakes.end(handshake)
        try:
            await self._handle(upgrade)
            if not upgrade.answered:
                raise RuntimeError("the handler neither accepted nor refused the connection")  # noqa: TRY301
        except Exception:
            if upgrade.connection is not None:
                await upgrade.connection.close(Close.CRASHED)
            elif not upgrade.answered:
                await upgrade.refuse(500, "The server failed to process this request. The log has the cause.")
            raise
        finally:
            with trio.CancelScope(shield=True):
                if upgrade.connection is not None:
                    await upgrade.connection.aclose()
                await reader.finish()

    async def _handshake_tls(self, stream: TlsStream, handshake: Handshake) -> TlsInfo | None:
        begun = False

        def begin() -> None:
            handshake.wait_for_peer()
            limit.deadline = trio.current_time() + self._limits.tls_handshake_s

        try:
            with trio.fail_after(self._limits.tls_handshake_s) as limit:
                begun = bool(await stream.peek(1))
                await self._choose_context(stream)
                handshake.wait_for_us()
                limit.deadline = math.inf
                await stream.handshake(PATIENCE_S, begin)
        except TooBusy:
            self.stats.handshake_failures["tls_busy"] += 1
            stream.abort()
        except trio.TooSlowError:
            self._note_refused(stream, Refused.TLS_TOO_SLOW)
        except trio.BrokenResourceError:
            if handshake.waits_for_us:
                self.stats.handshake_failures["tls_busy"] += 1
            elif begun:
                self._note_refused(stream, Refused.TLS_LEFT)
            else:  # A load balancer or a port scan only wanted to know whether we listen.
                self.stats.handshake_failures[Refused.TLS_LEFT.word] += 1
        except ssl.SSLError as error:
            self._note_refused(stream, *_explain(stream, error))
            await stream.finish(self._limits.close_s)
        else:
            return stream.describe()
        return None

    async def _choose_context(self, stream: TlsStream) -> None:
        """Give a client that may ask for an earlier session a context that knows no session."""
        assert self._tls is not None  # noqa: S101  The stream is a TlsStream.
        start = await stream.peek(RECORD_MAX)
        while (resumes := may_resume(start)) is None:
            before = len(start)
            start = await stream.peek(RECORD_MAX, before)
            if len(start) <= before:
                raise trio.BrokenResourceError("the peer left during the TLS handshake")
        if resumes:
            stream.use(without_sessions(self._tls()))

    def _note_refused(self, stream: SocketStream, reason: Refused, detail: str = "") -> None:
        self.stats.handshake_failures[reason.word] += 1
        if self._on_refused is not None:
            self._on_refused(reason, stream.remote[0], detail)


async def _read_proxy_header(stream: SocketStream, *, trusted: bool) -> Header | None:
    """Read and remove the header of a trusted proxy. Return None if another peer sent no header.

    Raises BadHeader.
    """
    start = b""
    while True:
        before = len(start)
        start = await stream.peek(HEADER_MAX, before)
        if trusted and (header := parse(start)) is not None:
            await stream.skip(header.size)
            return header
        if not trusted and (begins := may_begin(start)) is not None:
            if begins:
                raise BadHeader("", Refused.PROXY_HEADER_UNTRUSTED)
            return None
        if len(start) <= before:
            raise trio.BrokenResourceError("the peer left before its PROXY header was complete")


def _explain(stream: TlsStream, error: ssl.SSLError) -> tuple[Refused, str]:
    if stream.refused_name is None:
        return explain(error)
    [name] = stream.refused_name
    return (Refused.SERVER_NAME_MISSING, "") if name is None else (Refused.SERVER_NAME_WRONG, name)


async def serve(
    sockets: Sequence[socket.socket],
    *,
    handle: Handle,
    tls: Callable[[], ServerContext] | None = None,
    limits: Limits | None = None,
    stats: Stats | None = None,
    handshakes: Handshakes | None = None,
    on_refused: OnRefused | None = None,
    trusts_proxy: Callable[[str], bool] | None = None,
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Begin to listen, and run `handle` for every charge point that asks for a websocket. Raises OSError.

    When `handle` returns, the connection ends.

    `tls` returns the context for each new connection. `on_refused` is called for each connection that the
    transport refuses before it reads a request. `trusts_proxy` turns the PROXY protocol on. It returns
    whether an address is that of a trusted proxy, which must begin each connection with a PROXY header.

    Servers that are given the same `handshakes` share one limit on unfinished handshakes. `serve` returns
    after `stop_accepting`, when the last connection has ended. If `serve` is cancelled, all connections end.
    """
    readiness.get()  # Open the epoll descriptor now, while descriptors are left.
    for sock in sockets:
        begin_listening(sock)
    if handshakes is None:  # An empty Handshakes is false, so `or` would replace it.
        handshakes = Handshakes()
    server = Server(
        sockets,
        handle,
        tls=tls,
        limits=limits or Limits(),
        stats=stats or Stats(),
        handshakes=handshakes,
        on_refused=on_refused,
        trusts_proxy=trusts_proxy,
    )
    task_status.started(server)
    await server.run()
