"""The recorder of a trace: it queues the frames of a session, masks them and writes them in batches.

The session waits for the recorder only at the end of the connection. If the queue has no room, for example
while the store is away, or if the store is nearly full, further frames are only counted. The trace shows them
as a gap.
"""

import re
import secrets
from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import trio

from gateway.node import Node
from gateway.service.frame_masking import FrameMasker
from gateway.until_stored import until_stored
from gateway.websocket.close_codes import Closed
from state.nodes.leases import Attachment, Lease
from state.record import RunningTrace
from state.traces import traces
from state.traces.traces import Direction, Mark, TraceEntry

GATHER_S = 0.1
FLUSH_S = 2.0
QUEUED_MAX = 1_000
QUEUED_BYTES_MAX = 1 << 20
SHOWN_MAX = 16_384
"""Greatest number of characters that are stored of a frame. A longer frame is masked and then cut."""
MASKED_MAX = 65_536
"""Greatest number of bytes of a frame that are masked. The rest of a longer frame is not shown anyway."""
_BATCH_MAX = 64
_BATCH_BYTES_MAX = 1 << 18
_IN_A_THREAD_FROM = 2_048
"""Size in bytes from which a frame is masked in a thread, because masking may take milliseconds."""
_one_at_a_time = trio.CapacityLimiter(1)
"""Only one thread masks frames at a time, because masking keeps the interpreter busy for milliseconds."""
_HEAD_MAX = 64
_HEAD = re.compile(r'\s*\[\s*[234]\s*,\s*(?:"[^"\\]*"|\d+)\s*,\s*(?:"[^"\\]*"\s*,)?')
_CALLS_REMEMBERED = 64


class _Passed(NamedTuple):
    """An entry before masking.

    `frame` has the first MASKED_MAX bytes of the frame that passed the socket, with its secrets.
    """

    what: Direction | Mark
    at_ms: int
    frame: bytes
    faults: tuple[str, ...]
    note: str = ""
    dropped: int = 0
    length: int = 0


class Recorder:
    """The recorder of one trace in one session.

    The entries have the order in which the frames passed the socket.
    """

    def __init__(self, node: Node, lease: Lease, running: RunningTrace) -> None:
        self.id = running.id
        self.stopped = False
        """True after the recorder stopped taking frames. Queued entries are still written."""
        self._until_ms = running.until_ms
        self._node = node
        self._store = node.store
        self._lease = lease
        self._writer = secrets.token_hex(4)
        self._batch = 0
        self._queue: deque[_Passed] = deque()
        self._queued_bytes = 0
        self._dropped = 0
        self._written: trio.Event | None = None
        self._hurry = trio.Event()
        self._masker = FrameMasker()
        self._calls: OrderedDict[tuple[str, str], str] = OrderedDict()

    def record_received(self, frame: bytes, faults: Iterable[str] = ()) -> None:
        self._add("in", frame, tuple(faults))

    def record_sent(self, frame: bytes, faults: Iterable[str] = ()) -> None:
        """Record a frame that we sent. `faults` are the faults of the frame that our frame answers."""
        self._add("out", frame, tuple(dict.fromkeys(faults)))

    def record_fault(self, fault: str) -> None:
        """Record a fault of the transport, such as a binary frame or a PING without a PONG."""
        self._add("fault", b"", (fault,), fault)

    def begin(self, attached: Attachment, *, connected: bool) -> None:
        """Record that the connection was made, or that the trace began on an open connection."""
        note = f"from {attached.address}, {attached.tls or 'not encrypted'}"
        self._add("connected" if connected else "recording", b"", (), note)

    async def finish(self, closed: Closed) -> None:
        """Record the end of the connection, and wait until all entries are written, 2 s at most."""
        self._add("disconnected", b"", (), f"{closed.code} {closed.reason}".strip() + f", by {closed.by}")
        self._hurry.set()
        with trio.move_on_after(FLUSH_S):
            if self._written is not None:
                await self._written.wait()

    def _add(self, what: Direction | Mark, frame: bytes, faults: tuple[str, ...], note: str = "") -> None:
        at_ms = self._store.server_time_ms()
        if self.stopped or at_ms > self._until_ms:
            self.stopped = True
            return
        length, frame = len(frame), frame[:MASKED_MAX]
        if self._store.headroom.has_reached("scarce"):
            self._dropped += 1
            return
        if len(self._queue) >= QUEUED_MAX or self._queued_bytes + len(frame) > QUEUED_BYTES_MAX:
            self._dropped += 1
            return
        self._mark_gap(at_ms)
        self._queue.append(_Passed(what, at_ms, frame, faults, note, length=length))
        self._queued_bytes += len(frame)
        if self._written is None:
            self._written = trio.Event()
            self._node.see_through(self._write, self._written)

    def _mark_gap(self, at_ms: int) -> None:
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            note = f"{dropped} frames passed that could not be written"
            self._queue.append(_Passed("gap", at_ms, b"", (), note, dropped))

    async def _write(self, written: trio.Event) -> None:
        """Write batches until the queue is empty."""
        try:
            with trio.move_on_after(GATHER_S):
                await self._hurry.wait()
            while self._queue:
                await self._write_batch(self._take_batch())
                if not self._queue:
                    self._mark_gap(self._store.server_time_ms())
        except BaseException:
            self.stopped = True
            raise
        finally:
            self._written = None
            written.set()

    def _take_batch(self) -> list[_Passed]:
        batch: list[_Passed] = []
        size = 0
        while self._queue and len(batch) < _BATCH_MAX and size < _BATCH_BYTES_MAX:
            batch.append(self._queue.popleft())
            size += len(batch[-1].frame)
        self._queued_bytes -= size
        return batch

    async def _write_batch(self, batch: list[_Passed]) -> None:
        self._batch += 1
        entries = [await self._build_entry(passed) for passed in batch]
        dropped = sum(passed.dropped for passed in batch)
        appended = await until_stored(  # The store ignores a batch that it already has.
            traces.append,
            self._store,
            self._lease.keys,
            self.id,
            entries,
            writer=self._writer,
            batch=self._batch,
            dropped=dropped,
        )
        if appended != "recording":
            self.stopped = True
        if appended in {"full", "gone"}:
            self._queue.clear()
            self._queued_bytes = self._dropped = 0

    async def _build_entry(self, passed: _Passed) -> TraceEntry:
        if len(passed.frame) < _IN_A_THREAD_FROM:
            await trio.lowlevel.checkpoint()
            text = self._masker.mask(passed.frame)
        else:
            text = await trio.to_thread.run_sync(self._masker.mask, passed.frame, limiter=_one_at_a_time)
        cut = len(text) > SHOWN_MAX or passed.length > MASKED_MAX
        message, id_, action = self._read_head(passed.what, text, cut=cut)
        return TraceEntry(
            what=passed.what,
            at_ms=passed.at_ms,
            connection=self._lease.holder,
            frame=text[:SHOWN_MAX],
            length=passed.length,
            cut=cut,
            message=message,
            id=id_,
            action=action,
            faults=passed.faults,
            note=passed.note,
        )

    def _read_head(self, what: str, text: str, *, cut: bool) -> tuple[int | None, str | None, str | None]:
        """Return the message type, id and action of a masked frame.

        All three values are None if the frame is not an OCPP frame.

        The action of an answer is the action of its call, or None if the call is not remembered.
        """
        if cut and (head := _HEAD.match(text)) is not None:
            text = f"{head[0]}null]"  # The end of a long frame is missing.
        try:
            parts = msgspec.json.decode(text, type=list[msgspec.Raw])
            message, id_ = (msgspec.json.decode(part, type=int | str) for part in parts[:2])
            match message:
                case 2:
                    action: str | None = msgspec.json.decode(parts[2], type=str)[:_HEAD_MAX]
                case 3 | 4:
                    action = None
                case _:
                    return None, None, None
        except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError, IndexError):
            return None, None, None
        id_ = str(id_)[:_HEAD_MAX]
        if action is None:
            return message, id_, self._calls.pop(("in" if what == "out" else "out", id_), None)
        self._calls[what, id_] = action
        if len(self._calls) > _CALLS_REMEMBERED:
            self._calls.popitem(last=False)
        return message, id_, action
