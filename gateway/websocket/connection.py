"""An open websocket of a server or a client: its life, the frames that it sends, and its end."""

import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, override

import trio

from gateway.websocket import sweeper
from gateway.websocket.close_codes import Close, Closed, ConnectionClosed, Violation, build_close_frame
from gateway.websocket.incoming import IncomingMessages, OnText, discard
from gateway.websocket.outgoing_frames import build_text_frame, mask

# Least rate of a message, after the time that every message has (`Limits.partial_message_s`).
LEAST_BYTES_PER_S = 1_024


class Connection(IncomingMessages):
    """A connection. `run` reads to the end and answers PINGs. Any task may call `send` and `close`."""

    __slots__ = ()

    async def run(self, on_text: OnText, on_end: Callable[[], None] | None = None) -> Closed:
        """Await `on_text` for every text message, in order, until the connection ends.

        `on_end` is called as soon as no further message can come. The peer may then still need some seconds
        to end its side of the stream. Raises what `on_text` raises.
        """
        self._pumping = trio.lowlevel.current_task()
        try:
            if not self._masking:  # A client cannot resume.
                await self._reader.release()
            try:
                await self._pump(on_text)
            except Violation as violation:
                await self._fail(violation)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                self._end(Close.BROKEN.record("lost", error))
            closed = self._end(Close.LEFT.record("lost"))
            self._drop_buffer()
            if on_end is not None:
                on_end()
            await self._finish()
        finally:
            self._pumping = None
            self._on_text = discard  # It may refer to the owner of this connection.
        return closed

    async def _fail(self, violation: Violation) -> None:
        self._end(violation.closed)
        self.violation = self.violation or violation.close
        if not self._reader.close_sent:
            self._reader.close_sent = True
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._send_frame(build_close_frame(violation.closed))

    async def send(self, text: bytes) -> None:
        """Send one text frame. Raises ConnectionClosed. A peer that needs longer than `send_s` is cut off."""
        if (rest := self.send_now(text)) is not None:
            await rest

    def send_now(self, text: bytes) -> Coroutine[Any, Any, None] | None:
        """Do what `send` does, and return None if nothing is left to await. Raises ConnectionClosed."""
        if self.closed is not None or self._reader.close_sent:
            raise ConnectionClosed(self.closed or Close.CLOSING.record("us"), written=False)
        frame = build_text_frame(text)
        try:
            rest = self._stream.send_now(mask(frame) if self._masking else frame)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionClosed(self._end(Close.BROKEN.record("lost", error))) from None
        return None if rest is None else self._finish_sending(rest)

    async def _finish_sending(self, rest: Coroutine[Any, Any, None]) -> None:
        try:
            await rest
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionClosed(self._end(Close.BROKEN.record("lost", error))) from None

    async def wait_idle(self) -> None:
        """Wait until no other frame is being sent, so that the next `send` begins to write at once."""
        await self._stream.wait_idle()

    async def _send_frame(self, frame: bytes) -> None:
        await self._stream.send_all(mask(frame) if self._masking else frame)

    async def close(self, close: Close) -> None:
        """Send CLOSE, wait for the peer's CLOSE or the deadline, and end the connection.

        Any task may call this method.
        """
        if self.closed is not None:
            return
        self._end(close.record("us"))
        nobody_reads = self._pumping is None or self._pumping is trio.lowlevel.current_task()
        websocket = self._reader.resume(self._limits.message_bytes)
        with trio.move_on_after(self._limits.close_s) as deadline:
            if nobody_reads:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._read_out)
                    await websocket.aclose(close.code, close.reason)
            else:
                await websocket.aclose(close.code, close.reason)
        if deadline.cancelled_caught:
            self._stream.abort()
        elif nobody_reads:  # Otherwise the task in `run` ends the stream.
            await self._finish()

    async def _finish(self) -> None:
        """End the stream, without waiting if the peer has sent CLOSE."""
        await self._stream.finish(0 if self._frames.closed else self._limits.close_s)

    async def _read_out(self) -> None:
        with contextlib.suppress(Violation, trio.BrokenResourceError, trio.ClosedResourceError):
            await self._pump(discard)
        await self._reader.finish()

    async def aclose(self) -> None:
        """Free all resources. The owner of the connection calls this method last."""
        sweeper.forget(self)
        self._drop_buffer()
        self._end(Close.DROPPED.record("us"))
        self._stream.close()
        await self._reader.finish()

    @override
    def check_clock(self, now: float) -> Callable[[], Coroutine[Any, Any, None]] | None:
        """Return the action that is due at the time `now`, or None (see sweeper.py)."""
        if self._heard:
            self._heard = False
            self.last_received = now
        # While nobody reads, the peer may have sent bytes that we do not know.
        return self._judge(now) if self._waiting is None else None

    def _judge(self, now: float) -> Callable[[], Coroutine[Any, Any, None]] | None:
        frames, interval = self._frames, self._limits.ping_interval_s
        since = frames.partial_since
        if since is not None:
            longest = self._limits.partial_message_s + frames.held / LEAST_BYTES_PER_S
            if now - since > longest:
                return self._cut_partial
        if not interval or now - self.last_received < interval:
            return None
        match self._silence.judge(now, self.last_received, self._stream):
            case "cut":
                return self._cut_silent
            case "ping":
                return self._ping
            case "wait":
                return None

    async def _ping(self) -> None:
        self._silence.pinged_at = trio.current_time()
        if self.closed is None and not self._reader.close_sent:
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._send_frame(b"\x89\x00")

    async def _cut_silent(self) -> None:
        self._end(Close.SILENT.record("us", trio.current_time() - self.last_received))
        self._stream.abort()

    async def _cut_partial(self) -> None:
        await self._fail(Violation(Close.UNFINISHED))
        self._stream.close()
