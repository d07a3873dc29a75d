"""Runs trio-websocket's reader inside the task that reads the socket.

trio-websocket asks for a nursery and a stream. trio-websocket starts a reader task in the nursery, and that
task reads the stream to the end. Each connection would then have a second task beside our own task, a
nursery, and another wake-up for each frame. The order of the two tasks would be undefined. For example, a
PONG might follow our CLOSE, or a fragmented message might reach the session after a later message that took
the fast path.

Here trio-websocket gets one object, a BorrowedReader, as its nursery and as its stream. The nursery keeps the
coroutine of the reader instead of starting it. The stream suspends that coroutine whenever the coroutine asks
for bytes. `feed` resumes the coroutine with bytes, in the caller's task, and returns when the coroutine asks
for more bytes. If the reader awaits anything else (a lock, a send), `feed` passes the wait on to Trio, so the
caller waits and can be cancelled.

`wrap_server_stream` and `wrap_client_stream` of trio-websocket call `nursery.start_soon` once each.

The objects of trio-websocket, wsproto and h11 take 9.8 KB for each connection, and most connections need none
of them after the upgrade. So a server lets go of them with `release`. `resume` makes new ones for a message
in several frames, a binary message or the closing handshake. It needs the name of trio-websocket's reader.
"""

import contextlib
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any, Final, cast, override

import trio
from trio_websocket import WebSocketConnection
from wsproto import ConnectionType, WSConnection
from wsproto.connection import Connection as FrameProtocol

from gateway.websocket.socket_stream import SocketStream

_HUNGRY: Final = object()


class NotARequest(Exception):  # noqa: N818  it says what happened
    """trio-websocket refuses the head of the request, because the head does not ask for a websocket."""


@coroutine
def _ask() -> Generator[object, bytes, bytes]:
    return (yield _HUNGRY)


@coroutine
def _drive(reader: Coroutine[Any, Any, None], step: Callable[[], object]) -> Generator[Any, Any, bool]:
    """Run the reader until it asks for bytes. Return False if it has ended instead."""
    try:
        trap = step()
        while trap is not _HUNGRY:
            try:
                answer = yield trap
            except BaseException as error:  # noqa: BLE001  a cancellation is the reader's to handle
                trap = reader.throw(error)
            else:
                trap = reader.send(answer)
    except StopIteration:
        return False
    return True


class BorrowedReader(trio.abc.Stream):
    """A suspended reader of trio-websocket.

    Call `feed` from one task at a time, and call `finish` at the end.

    A server passes in `head`, the head of the request, because trio-websocket waits for the request as soon
    as it has started the reader.
    """

    __slots__ = ("_head", "_pending", "_reader", "close_sent", "done", "stream", "upgraded", "websocket")

    def __init__(self, stream: SocketStream, head: bytes = b"") -> None:
        self.stream = stream
        self.websocket: WebSocketConnection | None = None
        """The connection of trio-websocket. None before the upgrade, and between `release` and `resume`."""
        self.upgraded = False
        self.close_sent = False
        self.done = False
        """True after trio-websocket has ended and reads no more bytes."""
        self._head = head
        self._reader: Coroutine[Any, Any, None] | None = None
        self._pending: Callable[[], object] | None = None

    def start_soon(self, reader: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Keep the reader that trio-websocket wants to start as a task. Raises NotARequest."""
        self.websocket = reader.__self__  # type: ignore[attr-defined]  # it is a bound method
        coroutine_ = self._reader = reader()
        if not self._head:
            self._pending = lambda: coroutine_.send(None)
            return
        try:
            trap = coroutine_.send(None)
        except Exception as error:
            self._reader = None
            raise NotARequest from error
        if trap is not _HUNGRY:  # The reader has begun to send its 400 and waits for Trio.
            self._pending = lambda: trap
            raise NotARequest

    async def feed(self, data: bytes = b"") -> None:
        """Run the reader until it needs more bytes than `data`. b"" means the end of the stream.

        Raises what the reader raises.
        """
        reader = self._reader
        if reader is None:
            return
        step, self._pending = self._pending or (lambda: reader.send(data)), None
        hungry = False
        try:
            hungry = await _drive(reader, step)
        finally:
            if not hungry:
                self._reader = None
                self.done = True

    async def finish(self) -> None:
        """End the reader, even if it waits for something."""
        self.done = True
        await self.release()

    async def release(self) -> None:
        """End the reader, and let go of trio-websocket's connection until the next `resume`."""
        reader, self._reader = self._reader, None
        self.websocket = self._pending = None
        if reader is not None:
            with trio.CancelScope(shield=True), contextlib.suppress(Exception):
                await _drive(reader, lambda: reader.throw(trio.ClosedResourceError()))

    def resume(self, message_bytes: int) -> WebSocketConnection:
        """Return the connection of trio-websocket, or make a new one for the same open websocket."""
        if self.websocket is None:
            # The frame protocol has all methods of a WSConnection that trio-websocket uses after an upgrade.
            protocol = cast(WSConnection, FrameProtocol(ConnectionType.SERVER))
            self.websocket = WebSocketConnection(self, protocol, max_message_size=message_bytes)
            self._reader = self.websocket._reader_task()  # noqa: SLF001  nothing public starts a reader alone
            self._reader.send(None)  # It asks for bytes at once.
        return self.websocket

    @override
    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._head:
            head, self._head = self._head, b""
            return head
        if self.done:
            raise trio.ClosedResourceError
        return await _ask()

    @override
    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.upgraded and data[0] == 0x88:
            self.close_sent = True
        await self.stream.send_all(data)

    @override
    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    @override
    async def aclose(self) -> None:
        """Mark the reader as ended, but do not close the socket.

        The connection closes the socket itself, after the last bytes.
        """
        self.done = True
        await trio.lowlevel.checkpoint()
