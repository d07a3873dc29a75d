"""TLS over a SocketStream by memory BIOs.

Unlike trio.SSLStream, TlsStream sends the alert of a failed handshake.
"""

import contextlib
import functools
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import NoReturn, override

import trio

from gateway.websocket import turns
from gateway.websocket.socket_stream import SocketStream


@dataclass(frozen=True, slots=True)
class TlsInfo:
    version: str
    cipher: str
    sni: str | None
    peer_certificate: bytes | None
    """Certificate of the client in DER, verified against the context's authorities.

    None means that the client sent no certificate.
    """
    authorities: tuple[bytes, ...] = ()
    """The verified chain of the client's certificate, each in DER, without the certificate itself."""


@functools.lru_cache(64)
def _share(der: bytes) -> bytes:
    """Return the same object for equal bytes, because many connections have the same authorities."""
    return der


class NamedSSLObject(ssl.SSLObject):
    """A TLS connection and the server name that the client asked for, set by the SNI callback.

    `name_refused` is true if the connection is refused because of this name.
    """

    asked_name: str | None = None
    name_refused: bool = False


class TlsStream(SocketStream):
    """A TLS stream. Call `handshake` first. Renegotiation is off, so a write never has to read."""

    __slots__ = ("_failed", "_incoming", "_outgoing", "_tls")
    read_bytes = 4_096
    """A memory BIO keeps the largest size that it ever had.

    Small reads save memory if most connections are idle.
    """

    def __init__(
        self,
        sock: socket.socket,
        remote: tuple[str, int],
        context: ssl.SSLContext,
        *,
        send_s: float,
        server_side: bool,
        server_hostname: str | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        """`session` is a session of an earlier connection that a client resumes."""
        super().__init__(sock, remote, send_s=send_s)
        self._failed = False
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_side,
            server_hostname=server_hostname,
            session=session,
        )

    def use(self, context: ssl.SSLContext) -> None:
        """Replace the context of a server's stream before `handshake`."""
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    async def handshake(self, patience_s: float = inf, on_begin: Callable[[], None] | None = None) -> None:
        """Shake hands, one step in each turn of this handshake. `on_begin` is called when the first begins.

        Raises ssl.SSLError after the alert was sent, trio.BrokenResourceError if the peer left, and TooBusy
        if the first turn does not come within `patience_s`.
        """
        try:
            done = await self._take_step(begun=False, patience_s=patience_s, on_begin=on_begin)
            while not done:
                if not await self._read_record():
                    raise trio.BrokenResourceError("the peer left during the TLS handshake")
                done = await self._take_step(begun=True, patience_s=inf)
        except ssl.SSLError:
            self._failed = True
            with contextlib.suppress(trio.BrokenResourceError):
                await self._flush()
            raise

    async def _take_step(
        self, *, begun: bool, patience_s: float, on_begin: Callable[[], None] | None = None
    ) -> bool:
        """Wait for a turn, and take one step. Returns whether the handshake is done."""
        handshakes = turns.get()
        waited = await handshakes.take(begun=begun, patience_s=patience_s)
        try:
            if waited and not begun and self.has_hung_up():
                raise trio.BrokenResourceError("the peer left before the TLS handshake")
            if on_begin is not None:
                on_begin()
            self._tls.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            done = False
        finally:
            handshakes.give_back()
        await self._flush()
        return done

    @property
    def refused_name(self) -> tuple[str | None] | None:
        """The server name because of which the handshake failed, in a tuple, or None.

        The tuple has None if the client asked for no name.
        """
        tls = self._tls
        return (tls.asked_name,) if isinstance(tls, NamedSSLObject) and tls.name_refused else None

    @property
    def session(self) -> ssl.SSLSession | None:
        """The session that a later connection may resume, if the server gave a ticket."""
        session = self._tls.session
        return session if session is not None and session.has_ticket else None

    def describe(self) -> TlsInfo:
        cipher = self._tls.cipher()
        return TlsInfo(
            version=self._tls.version() or "",
            cipher=cipher[0] if cipher else "",
            sni=self._tls.asked_name if isinstance(self._tls, NamedSSLObject) else None,
            peer_certificate=self._tls.getpeercert(binary_form=True),
            authorities=tuple(map(_share, self._tls.get_verified_chain()[1:])),
        )

    @override
    def receive_now(self, max_bytes: int) -> bytes | None:
        """Return bytes as SocketStream does. What TLS has to answer goes out with the next bytes to send."""
        while True:
            if self._incoming.pending or self._tls.pending():
                try:
                    data = self._tls.read(max_bytes)
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLZeroReturnError:
                    return b""
                except ssl.SSLError as error:
                    raise trio.BrokenResourceError(f"TLS: {error.reason}") from error
                else:
                    self.readable = self.readable or bool(self._incoming.pending or self._tls.pending())
                    return data
            sealed = self._receive_now(self.read_bytes)
            if not sealed:
                return sealed
            self._incoming.write(sealed)

    @override
    async def receive_some(self, max_bytes: int) -> bytes:
        while True:
            try:
                data = self.receive_now(max_bytes)
            except trio.BrokenResourceError as error:
                await self.say_and_raise(error)
            if data is not None:
                return data
            await self._flush()
            self.waited = True
            await self._wait_readable()

    @override
    async def say_and_raise(self, error: Exception) -> NoReturn:
        """Send the alert, and raise the error again."""
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._flush()
        raise error

    async def _read_record(self) -> bool:
        data = await super().receive_some(self.read_bytes)
        self._incoming.write(data)
        return bool(data)

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self.send_all(b"")

    @override
    def _seal(self, data: bytes | bytearray | memoryview) -> bytes:
        if data:
            try:
                self._tls.write(data)
            except ssl.SSLError as error:
                raise trio.BrokenResourceError(f"TLS: {error.reason}") from error
        return self._outgoing.read()

    @override
    async def _say_goodbye(self) -> None:
        if self._failed:
            return
        # `unwrap` raises because it wants the peer's close_notify, but we do not wait for that.
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        await self._flush()
