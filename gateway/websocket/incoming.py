"""Reads the messages of an open websocket, and serves them in their order.

A text message in one frame takes the fast path, and PINGs are answered here. trio-websocket handles all other
messages and the closing handshake.

Three kinds of tasks serve messages. The task that watches all sockets serves what needs no wait, and other
tasks serve what `serve_elsewhere` announces. The task that pumps does the rest, and sleeps meanwhile.
"""

import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Literal

import trio
from trio_websocket import ConnectionClosed as WebSocketClosed
from wsproto.utilities import LocalProtocolError

from gateway.websocket import sweeper
from gateway.websocket.borrowed_reader import BorrowedReader
from gateway.websocket.close_codes import Close, Closed, Violation
from gateway.websocket.large_messages import HEADER_MAX, SMALL
from gateway.websocket.limits import Limits
from gateway.websocket.outgoing_frames import build_pong, mask
from gateway.websocket.silence import Silence, TransportFault
from gateway.websocket.socket_stream import SocketStream
from gateway.websocket.stats import Stats
from gateway.websocket.text_frames import CLOSE, PING, PONG, Rest, TextFrames
from gateway.websocket.tls_stream import TlsInfo

# Time and bytes of one peer's messages that are handled in a row before other tasks get their turn.
BURST_S = 0.00025
BURST_BYTES = 32_768
# Reads, and messages of each, that are served in the task that watches all sockets.
READS_AT_ONCE = 2
MESSAGES_AT_ONCE = 4

type OnText = Callable[[bytes], Coroutine[Any, Any, None] | None]
"""Serves a text message. The result is None if the message has been served, or what is left to await."""


class IncomingMessages:
    """The messages that come on a connection. `_pump` reads to the end."""

    __slots__ = (
        "__weakref__",
        "_elsewhere",
        "_frames",
        "_heard",
        "_large_messages",
        "_left",
        "_limits",
        "_masking",
        "_on_text",
        "_over",
        "_pumping",
        "_reader",
        "_reserved",
        "_silence",
        "_stats",
        "_stream",
        "_waiting",
        "closed",
        "last_received",
        "remote",
        "subprotocol",
        "tls",
        "violation",
    )

    def __init__(
        self,
        reader: BorrowedReader,
        early: bytes,
        *,
        side: Literal["server", "client"],
        subprotocol: str,
        tls: TlsInfo | None,
        limits: Limits,
        stats: Stats,
    ) -> None:
        """`early` holds the bytes that came after the head of the upgrade."""
        reader.upgraded = True
        self._reader = reader
        self._stream: SocketStream = reader.stream
        self._masking = side == "client"
        self._frames = TextFrames(limits, masked=side == "server")
        self._limits = limits
        self._stats = stats
        self._on_text: OnText = discard
        self._left: Coroutine[Any, Any, None] | None = None
        """What `_serve_at_once` leaves to the task of `run`."""
        self._elsewhere: Callable[[], None] | None = None
        """Cancels what `serve_elsewhere` waits for."""
        self._over = False
        """True after the peer's end of file."""
        self._pumping: trio.lowlevel.Task | None = None
        self._silence = Silence(limits)
        self.closed: Closed | None = None
        self.violation: Close | None = None
        """The rule that the peer broke, if that ended the connection."""
        self._large_messages = stats.large_messages
        self._reserved = 0
        self._waiting: trio.CancelScope | None = None
        self.remote = self._stream.remote
        self.subprotocol = subprotocol
        self.tls = tls
        self.last_received = trio.current_time()
        self._heard = False
        """Whether something came after `last_received`. The sweeper reads the clock for many connections."""
        if early:
            self._frames.feed(early, self.last_received)
        sweeper.watch(self)

    def check_clock(self, now: float) -> Callable[[], Coroutine[Any, Any, None]] | None:
        """Return the action that is due at the time `now`, or None (see sweeper.py)."""
        raise NotImplementedError

    def repair_faults(self, report: Callable[[TransportFault], None] | None) -> None:
        """Accept binary messages as text, and peers that never answer a PING.

        `report` None turns both repairs off.

        `report` gets the name of the fault: "binary_frame" for each message, "no_pong" once per connection.
        """
        self._silence.report = report
        self._frames.binary = report is not None

    async def _pump(self, on_text: OnText) -> None:
        frames, stream = self._frames, self._stream
        self._on_text = on_text
        burst = size = 0
        began = self.last_received
        while not self._is_over():
            while (frame := frames.cut()) is not None:
                size += len(frame if isinstance(frame, bytes) else frame.data)
                if (left := self._begin(frame)) is not None:
                    await left
                if self._elsewhere is not None:
                    await self._attend()
                burst += 1
                # The clock is read after every fourth message only, because most bursts are short.
                if size >= BURST_BYTES or (burst & 3 == 0 and trio.current_time() - began >= BURST_S):
                    burst = size = 0
                    await trio.lowlevel.checkpoint()
                    began = trio.current_time()
            if self._is_over():  # `resume` may have read the end.
                break
            if frames.partial_since is not None or self._reserved:
                await self._read_rest()
            else:
                await self._read_and_serve()
            now = trio.current_time()
            if now - began >= BURST_S:
                if not stream.waited:
                    await trio.lowlevel.checkpoint()
                    now = trio.current_time()
                began, burst, size = now, 0, 0

    def _is_over(self) -> bool:
        return self._over or self._reader.done

    async def _read_rest(self) -> None:
        """Wait for more bytes of an unfinished message."""
        await self._reserve(self._frames.held - SMALL - HEADER_MAX)
        self._stream.waited = False
        data = await self._stream.receive_some(self._limits.receive_bytes)
        self._over = not data
        self.last_received = trio.current_time()
        self._frames.feed(data, self.last_received)

    async def _read_and_serve(self) -> None:
        """Serve what comes, until something has to wait."""
        stream = self._stream
        stream.waited = self._serve_at_once()
        if stream.waited:
            await self._attend()
            return
        if (left := self._left) is not None:
            self._left = None
            await left
        if self._elsewhere is not None:
            await self._attend()

    async def _attend(self) -> None:
        """Sleep while messages are served without this task, and then do what they leave to it."""
        while True:
            try:
                await self._stream.attend(self._serve_at_once)
            except BaseException:
                if self._elsewhere is not None:
                    self._elsewhere()
                    self._elsewhere = None
                if self._left is not None:
                    self._left.close()
                    self._left = None
                raise
            if self._elsewhere is not None:
                continue  # The stream was closed while a message is served.
            if (left := self._left) is None:
                return
            self._left = None
            await left
            if self._elsewhere is None:
                return

    def serve_elsewhere(self, cancel: Callable[[], None]) -> None:
        """Let a message be served without the task of `run`. Nothing more is read until `resume`.

        `on_text` calls this method. `cancel` is called if the task of `run` is cancelled before `resume`.
        """
        self._elsewhere = cancel

    def resume(self, left: Coroutine[Any, Any, None] | None) -> None:
        """Go on after `serve_elsewhere`. The task of `run` awaits `left`."""
        self._elsewhere = None
        self._left = left
        stream = self._stream
        if left is not None or self._frames.held or (stream.readable and not self._serve_at_once()):
            stream.stop_attending()

    def _serve_at_once(self) -> bool:
        """Read, and serve what needs no wait. Returns False if the task of `run` has to go on.

        This also runs in the task that watches all sockets, so that a message such as Heartbeat needs no
        wake-up of a task of its own.
        """
        if self._elsewhere is not None:
            return True  # `resume` reads on.
        frames, stream = self._frames, self._stream
        try:
            for _ in range(READS_AT_ONCE):
                data = stream.receive_now(self._limits.receive_bytes)
                if not data:
                    self._over = data is not None
                    return data is None
                if (text := frames.read_whole(data)) is not None:
                    self._heard = True
                    self._stats.messages += 1
                    self._left = left = self._on_text(text)
                    if left is not None or self._elsewhere is not None:
                        return left is None
                    if not stream.readable:
                        return True
                elif not self._serve_some(data):
                    return self._left is None and self._elsewhere is not None
        except Exception as error:  # noqa: BLE001  The task of `run` raises it.
            self._left = stream.say_and_raise(error)
        return False

    def _serve_some(self, data: bytes) -> bool:
        """Serve some messages. Returns False if the task of `run` or `resume` has to go on."""
        frames = self._frames
        self.last_received = now = trio.current_time()
        frames.feed(data, now)
        for _ in range(MESSAGES_AT_ONCE):
            frame = frames.cut()
            if frame is None:
                return frames.partial_since is None
            self._left = self._begin(frame)
            if self._left is not None or self._elsewhere is not None:
                return False
        return False

    def _begin(self, frame: bytes | Rest) -> Coroutine[Any, Any, None] | None:
        """Serve a frame, or return what is left to await."""
        if isinstance(frame, bytes):
            self._stats.messages += 1
            return self._on_text(frame)
        return self._answer_ping(frame) if frame.opcode in {PING, PONG} else self._pass_on(frame)

    def _answer_ping(self, frame: Rest) -> Coroutine[Any, Any, None] | None:
        if frame.opcode == PONG:
            self._silence.mute = False
        elif not self._reader.close_sent:
            pong = build_pong(frame.data)
            return self._stream.send_now(mask(pong) if self._masking else pong)
        return None

    async def _reserve(self, size: int) -> None:
        """Hold room for `size` bytes, and wait for the room if need be. Raises Violation if there is none.

        The wait ends when the connection ends, because `close` needs a task that reads the peer's CLOSE.
        While `close` waits for it, the bytes that the peer sends before its CLOSE may exceed the budget.
        """
        size = max(0, size)
        if size == self._reserved or self.closed is not None:
            return
        asked = trio.current_time()
        room = False
        try:
            with trio.CancelScope() as self._waiting:
                room = await self._large_messages.hold(self, size)
        finally:
            self._waiting = None
        if room:
            self._reserved = size
        elif self.closed is None:
            raise Violation(Close.NO_ROOM)
        # Nobody read meanwhile, so this time does not count against the peer.
        waited = trio.current_time() - asked
        self.last_received += waited
        if self._frames.partial_since is not None:
            self._frames.partial_since += waited

    def _drop_buffer(self) -> None:
        """Free the memory of an unfinished message, because the message will not be read any more."""
        self._frames.drop()
        self._large_messages.release(self)
        self._reserved = 0

    async def _pass_on(self, frame: Rest) -> None:
        """Give trio-websocket a frame.

        A message that the frame completes is delivered before any later message.
        """
        reader = self._reader
        websocket = reader.resume(self._limits.message_bytes)
        try:
            await reader.feed(frame.data)
        except LocalProtocolError as error:
            raise trio.BrokenResourceError(str(error)) from error
        reason = websocket.closed
        # If neither side has sent CLOSE, trio-websocket could not read the frame. But `close` sets `reason`
        # before our CLOSE is sent.
        if reason is not None and not reader.close_sent and self.closed is None:
            not_utf8 = reason.code == Close.NOT_UTF8.code
            raise Violation(Close.NOT_UTF8 if not_utf8 else Close.PROTOCOL_ERROR, reason.reason)
        if frame.opcode == CLOSE:
            reader.done = True
            if reason is not None:
                self._end(Closed(int(reason.code), reason.reason or "", "peer"))
        elif frame.ends_message:
            with contextlib.suppress(WebSocketClosed):
                message = await websocket.get_message()
                del websocket
                if self.closed is None and not self._masking:
                    await reader.release()
                self._stats.messages += 1
                if (left := self._on_text(self._as_text(message))) is not None:
                    await left

    def _as_text(self, message: str | bytes) -> bytes:
        if isinstance(message, str):
            return message.encode()
        try:
            message.decode()
        except UnicodeDecodeError:
            raise Violation(Close.NOT_TEXT) from None
        if (report := self._silence.report) is not None:
            report("binary_frame")
        return message

    def _end(self, closed: Closed) -> Closed:
        """Note why the connection ended; only the first cause counts."""
        if self.closed is None:
            self.closed = closed
            self._stats.closed[closed.code] += 1
            if self._waiting is not None:
                self._waiting.cancel()
        return self.closed


def discard(_text: bytes) -> None:
    """Discard messages that arrive after our CLOSE."""
