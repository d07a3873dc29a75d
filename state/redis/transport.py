"""Bytes to and from a server: plain sockets without trio's extra wake-ups, TLS through trio's stream.

Both kinds of transport raise OSError or trio.BrokenResourceError once the connection is broken.
"""

import socket

import trio

from state.redis.url import Address

_RECEIVE = 256 * 1024


class PlainTransport:
    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    async def send(self, data: bytes) -> None:
        # The kernel nearly always takes all the bytes at once. In that case the function has no checkpoint.
        try:
            done = self._socket.send(data)
        except BlockingIOError:
            done = 0
        if done == len(data):
            return
        rest = memoryview(data)[done:]
        while rest:
            await trio.lowlevel.wait_writable(self._socket)
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                continue

    def send_now(self, data: bytes) -> int:
        """Send without waiting, and return how many bytes were sent, which is 0 if the connection is broken.

        Never raises.
        """
        try:
            return self._socket.send(data)
        except OSError:
            return 0

    async def receive(self) -> bytes:
        """Wait for bytes. An empty result means the end of the stream."""
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            try:
                return self._socket.recv(_RECEIVE)
            except BlockingIOError:
                continue

    def close(self) -> None:
        trio.lowlevel.notify_closing(self._socket)
        self._socket.close()


class TlsTransport:
    def __init__(self, stream: trio.SSLStream[trio.SocketStream]) -> None:
        self._stream = stream

    async def send(self, data: bytes) -> None:
        await self._stream.send_all(data)

    def send_now(self, data: bytes) -> int:  # noqa: ARG002  A TLS record must be sent whole, by the writer.
        return 0

    async def receive(self) -> bytes:
        return bytes(await self._stream.receive_some(_RECEIVE))

    def close(self) -> None:
        # Skip the TLS closing handshake, which would wait for the peer.
        self._stream.transport_stream.socket.close()


type Transport = PlainTransport | TlsTransport


async def connect(address: Address) -> Transport:
    """Connect, without a deadline. Raises OSError, trio.BrokenResourceError (TLS) or StoreRefused."""
    if address.path is not None:
        return PlainTransport(_detach(await trio.open_unix_socket(address.path)))
    context = address.tls_context() if address.tls else None
    try:
        stream = await trio.open_tcp_stream(address.host, address.port)
    except OSError as error:
        # Trio's error says only that all attempts failed. The reason is in the cause of that error.
        why: BaseException | None = error.__cause__
        while isinstance(why, BaseExceptionGroup):
            why = why.exceptions[0]
        raise (why if isinstance(why, OSError) else error) from None
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if context is None:
        return PlainTransport(_detach(stream))
    tls = trio.SSLStream(stream, context, server_hostname=address.host)
    try:
        await tls.do_handshake()
    except BaseException:
        stream.socket.close()
        raise
    return TlsTransport(tls)


def _detach(stream: trio.SocketStream) -> socket.socket:
    # Trio's stream has found the address and set TCP_NODELAY. We keep only the socket of that stream.
    return socket.socket(fileno=stream.socket.detach())
