"""A non-blocking socket that tries each operation first and waits only if it must."""

import contextlib
import fcntl
import select
import socket
import termios
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NoReturn, override

import trio

from gateway.websocket import readiness

# Four of the largest messages. A peer that writes a longer message at once may see a reset and no CLOSE.
DRAIN_BYTES = 4_194_304
# Bytes that `send_at_once` keeps for a peer that does not read.
BACKLOG_BYTES = 262_144
_PEER_GONE = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR

type StartSoon = Callable[[Callable[[], Awaitable[None]]], object]
"""Starts a task, as `Nursery.start_soon` does."""


class SocketStream:
    """The bytes from and to one peer.

    If several tasks send frames, the bytes of the frames never mix. A send that times out ends the stream.

    Methods raise trio.BrokenResourceError if the peer or the deadline ended the stream, and
    trio.ClosedResourceError if we ended the stream.
    """

    __slots__ = (
        "_attendant",
        "_backlog",
        "_busy",
        "_closed",
        "_ended",
        "_fd",
        "_reader",
        "_readiness",
        "_send_s",
        "_socket",
        "encrypted_before",
        "readable",
        "remote",
        "waited",
    )

    def __init__(self, sock: socket.socket, remote: tuple[str, int], *, send_s: float) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._fd = sock.fileno()
        self._send_s = send_s
        self._busy: trio.Event | None = None
        self._backlog: bytearray | None = None
        """Bytes that follow those that a task of `send_at_once` sends."""
        self._closed = False
        self.readable = True
        """False only if `receive_now` would return None."""
        self._ended = False
        self._reader: trio.lowlevel.Task | None = None
        self._attendant: Callable[[], bool] | None = None
        self.remote = remote
        self.encrypted_before = False
        """Whether the charge point speaks TLS with a trusted proxy before us."""
        self.waited = False
        """Set when a read has waited, and so has let other tasks run."""
        self._readiness = readiness.get()
        self._readiness.add(self._fd, self)

    @property
    def is_closed(self) -> bool:
        return self._closed

    def _receive_now(self, max_bytes: int) -> bytes | None:
        """Do what `receive_now` does, with the bytes of the socket. With TLS, these bytes are TLS records."""
        if self._closed:
            raise trio.ClosedResourceError
        if self.readable:
            try:
                data = self._socket.recv(max_bytes)
            except (BlockingIOError, InterruptedError):
                self.readable = False
            except OSError as error:
                raise self._explain(error) from error
            else:
                # A short read has emptied the kernel's buffer; epoll reports later bytes (epoll(7), Q9).
                self.readable = self._ended or len(data) == max_bytes
                return data
        return None

    def receive_now(self, max_bytes: int) -> bytes | None:
        """Return bytes, None if there are none now, or an empty result at the peer's end of file."""
        return self._receive_now(max_bytes)

    async def receive_some(self, max_bytes: int) -> bytes:
        """Receive bytes; the result is empty at the peer's end of file."""
        while (data := self._receive_now(max_bytes)) is None:
            self.waited = True
            await self._wait_readable()
        return data

    def attend(self, read: Callable[[], bool]) -> Awaitable[None]:
        """Call `read` whenever something came, until it returns False or the stream is closed.

        `read` has just returned True, and `readable` is False. It runs in the task that watches all
        sockets, which saves the wake-up of a task for each message. It never raises, and never takes long.
        """
        self._attendant = read
        return self._wait_readable()

    async def _wait_readable(self) -> None:
        if self._reader is not None:
            raise trio.BusyResourceError("another task reads from this connection")
        self._reader = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._stop_waiting)

    async def peek(self, max_bytes: int, more_than: int = 0) -> bytes:
        """Return bytes that the next read returns too. Wait until there are more than `more_than`.

        If the peer ends its side before, the result is shorter.
        """
        while not self._closed:
            try:
                data = self._socket.recv(max_bytes, socket.MSG_PEEK)
            except (BlockingIOError, InterruptedError):
                pass
            except OSError as error:
                raise self._explain(error) from error
            else:
                if not data or len(data) > more_than or self._ended:
                    return data
            self.readable = False
            self._reader = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._stop_waiting)
        raise trio.ClosedResourceError

    async def skip(self, size: int) -> None:
        """Discard bytes that `peek` returned."""
        while size > 0:
            size -= len(await SocketStream.receive_some(self, size)) or size

    def wake(self, *, ended: bool) -> None:
        """Mark the socket as readable and wake its reader.

        After an end of file or an error, a read never waits.
        """
        self.readable = True
        if ended:
            self._ended = True
        if self._attendant is not None and self._attendant():
            return
        self._wake_reader()

    def stop_attending(self) -> None:
        """End `attend`, as if `read` had returned False."""
        self._attendant = None
        self._wake_reader()

    def _wake_reader(self) -> None:
        reader, self._reader = self._reader, None
        self._attendant = None  # More may come before the task goes on.
        if reader is not None:
            trio.lowlevel.reschedule(reader)

    def _stop_waiting(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._reader = None
        self._attendant = None  # Nobody would await what it leaves.
        return trio.lowlevel.Abort.SUCCEEDED

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes. `send_all` is a Trio checkpoint only if the kernel's buffer is full."""
        while self._busy is not None:
            await self._busy.wait()
        if (rest := self.send_now(data)) is not None:
            await rest

    def send_now(self, data: bytes | bytearray | memoryview) -> Coroutine[Any, Any, None] | None:
        """Send bytes as far as the kernel takes them. Await the result, if there is one, for the rest."""
        if self._busy is not None:
            return self.send_all(data)
        if self._closed:
            raise trio.ClosedResourceError
        rest = self._send_part(self._seal(data))
        return None if rest is None else self._push(rest)

    def _send_part(self, sealed: bytes | bytearray | memoryview) -> memoryview | None:
        """Return what the kernel does not take now, or None. No other frame may come before the rest."""
        try:
            taken = self._socket.send(sealed)
        except (BlockingIOError, InterruptedError):
            taken = 0
        except OSError as error:
            raise self._explain(error) from error
        if taken == len(sealed):
            return None
        self._busy = trio.Event()
        return memoryview(sealed)[taken:]

    def send_at_once(self, data: bytes, start_soon: StartSoon) -> None:
        """Send bytes without waiting, so that a timer may send too.

        If the kernel does not take all bytes, `start_soon` starts a task that sends the rest. The stream
        keeps at most BACKLOG_BYTES for that task. A peer for which this is too little has stopped reading,
        and is cut off.
        """
        if self._closed:
            raise trio.ClosedResourceError
        sealed = self._seal(data)
        if self._busy is None:
            if (rest := self._send_part(sealed)) is not None:
                self._backlog = bytearray(rest)
                start_soon(self._push_backlog)
        elif len(self._backlog or b"") + len(sealed) <= BACKLOG_BYTES:
            self._backlog = (self._backlog or bytearray()) + sealed
        else:
            self.abort()
            raise trio.BrokenResourceError(f"the peer left {BACKLOG_BYTES} bytes unread")

    async def _push_backlog(self) -> None:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._push(memoryview(b""))

    async def wait_idle(self) -> None:
        """Wait until no other task sends. This is a Trio checkpoint only if another task sends."""
        while self._busy is not None:
            await self._busy.wait()

    def _seal(self, data: bytes | bytearray | memoryview) -> bytes | bytearray | memoryview:
        """Return the bytes to send for `data`. With TLS, these bytes are TLS records."""
        return data

    async def _push(self, left: memoryview) -> None:
        sent = False
        try:
            with trio.move_on_after(self._send_s):
                while left or self._backlog:
                    if not left:
                        left, self._backlog = memoryview(self._backlog or b""), None
                    await trio.lowlevel.wait_writable(self._fd)
                    with contextlib.suppress(BlockingIOError, InterruptedError):
                        left = left[self._socket.send(left) :]
                sent = True
        except OSError as error:
            raise self._explain(error) from error
        finally:
            if self._busy is not None:
                self._busy.set()
            self._busy = None
            if not sent:  # The frame was cut in the middle, so the peer could not read anything after it.
                self.abort()
        if not sent:
            raise trio.BrokenResourceError(f"the peer did not take all bytes within {self._send_s:g} s")

    def _explain(self, error: OSError) -> trio.BrokenResourceError | trio.ClosedResourceError:
        return trio.ClosedResourceError() if self._closed else trio.BrokenResourceError(str(error))

    def has_hung_up(self) -> bool:
        """Return whether the peer has hung up, even if some of its bytes are still unread."""
        if self._closed:
            return True
        poll = select.poll()
        poll.register(self._fd, _PEER_GONE)
        if poll.poll(0):
            return True
        try:
            return self._socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def has_unacknowledged(self) -> bool:
        """Return whether we sent something that the peer's TCP has not acknowledged yet."""
        try:
            waiting = fcntl.ioctl(self._fd, termios.TIOCOUTQ, bytes(4))
        except OSError:
            return True
        return any(waiting)

    async def finish(self, seconds: float) -> None:
        """End our side of the stream, then discard the bytes that still arrive.

        Closing with unread bytes would reset the connection, and the peer might not read our last bytes.
        """
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            with trio.move_on_after(seconds):
                await self._say_goodbye()
                self._socket.shutdown(socket.SHUT_WR)
                left = DRAIN_BYTES
                while left > 0 and (data := await SocketStream.receive_some(self, 16_384)):
                    left -= len(data)
                    await trio.lowlevel.checkpoint()
        self.close()

    async def say_and_raise(self, error: Exception) -> NoReturn:
        """Send what is left to say after `receive_now` raised `error`, and raise it again."""
        raise error

    async def _say_goodbye(self) -> None:
        """Send the last bytes of TLS. Plain TCP has no last bytes."""

    def detach(self) -> socket.socket:
        """Leave the socket to the caller. It stays open, but the stream neither reads nor writes any more."""
        if self._closed:
            raise trio.ClosedResourceError
        self._closed = self.readable = True
        self._readiness.remove(self._fd)
        trio.lowlevel.notify_closing(self._fd)
        self._wake_reader()
        return self._socket

    def close(self) -> None:
        if not self._closed:
            self._closed = self.readable = True
            self._readiness.remove(self._fd)
            trio.lowlevel.notify_closing(self._fd)
            self._socket.close()
            self._wake_reader()

    def abort(self) -> None:
        """Close at once with a TCP reset, so that the kernel drops the bytes that the peer does not read."""
        if not self._closed:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            self.close()

    @override
    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.remote[0]}:{self.remote[1]}>"
