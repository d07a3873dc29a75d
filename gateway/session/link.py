"""One live socket as others see it: whose it is, what goes out on it, what is recorded of it, how it ends."""

from collections.abc import Awaitable, Iterable

import trio

from gateway.handlers.charge_point import SessionMemory
from gateway.node import Node
from gateway.ocpp16.faults.table import FaultName
from gateway.session.trace import Recorder
from gateway.websocket.close_codes import Close
from gateway.websocket.connection import Connection
from state.errors import StoreUnavailable, Superseded
from state.nodes import leases
from state.record import RunningTrace
from state.traces import traces

FINISH_CALL_S = 5.0


class Link:
    """Session and Calls hold it, and it holds neither: an ended session is freed without the collector."""

    __slots__ = (
        "_closing",
        "answered",
        "answering",
        "attached",
        "connection",
        "ended",
        "lease",
        "memory",
        "node",
        "recorder",
    )

    def __init__(
        self,
        node: Node,
        lease: leases.Lease,
        attached: leases.Attachment,
        connection: Connection,
        memory: SessionMemory,
    ) -> None:
        self.node = node
        self.lease = lease
        self.attached = attached
        self.connection = connection
        self.memory = memory
        self.recorder: Recorder | None = None
        self.ended = trio.Event()
        self.answering = False
        """While a call of the charge point is served; `answered` is then set at its end."""
        self.answered: trio.Event | None = None
        self._closing = False

    def send(self, frame: bytes, faults: Iterable[str] = ()) -> Awaitable[None]:
        """Send and record a frame; `faults` are those of the frame that it answers. Raises ConnectionClosed.

        Returns what to await, because one more coroutine costs 1 % of a Heartbeat.
        """
        return self.connection.send(frame) if self.recorder is None else self._send_recorded(frame, faults)

    async def _send_recorded(self, frame: bytes, faults: Iterable[str]) -> None:
        await self.connection.send(frame)
        if self.recorder is not None:
            self.recorder.record_sent(frame, faults)

    # --- The end -----------------------------------------------------------------------------------

    async def close(self, closing: Close) -> None:
        """Finish the current call, then say goodbye. A second closing changes nothing."""
        if self._closing:
            return
        self._closing = True
        with trio.move_on_after(FINISH_CALL_S):
            if self.answering:
                self.answered = trio.Event()
                await self.answered.wait()  # Of this call alone: the next may follow without a pause.
        await self.connection.close(closing)

    def close_soon(self, closing: Close) -> None:
        self.node.background(self.close, closing)

    # --- The lease ---------------------------------------------------------------------------------

    async def apply_fence(self, fence: leases.Fence) -> None:
        """Act on what a step or the node's audit found of our lease."""
        if fence == "newer":
            self.close_soon(Close.SUPERSEDED)
        elif fence == "lost":
            try:
                await self.readopt()
            except Superseded:
                self.close_soon(Close.SUPERSEDED)
            except StoreUnavailable:
                pass  # The next audit tries again.

    async def readopt(self) -> None:
        """The store was rolled back or wiped: take the lease again. Raises Superseded, StoreUnavailable."""
        async with self.node.readoptions:
            if not await leases.readopt(
                self.node.store, self.lease, self.attached, registration=self.memory.policy
            ):
                raise Superseded(self.lease.keys.id)

    # --- Faults and traces -------------------------------------------------------------------------

    def repair_frames(self, *, strict: bool) -> None:
        """Repair what is wrong below the messages, and count it; or leave it to end the connection."""
        self.connection.repair_faults(None if strict else self._note_repair)

    def _note_repair(self, fault: FaultName) -> None:
        if self.recorder is not None:
            self.recorder.record_fault(fault)
        self.node.count_faults(self.lease.keys, (fault,))

    def record(self, running: RunningTrace, *, connected: bool) -> None:
        """Record from now on: from the connection's beginning if it was just `connected`."""
        self.recorder = Recorder(self.node, self.lease, running)
        self.recorder.begin(self.attached, connected=connected)

    async def follow_trace(self) -> None:
        """Record the trace that runs of the charge point, or stop. Raises StoreUnavailable."""
        store = self.node.store
        running = await traces.find_running(store, self.lease.keys)
        if running is None or self.ended.is_set() or running.until_ms < store.server_time_ms():
            self.recorder = None
        elif self.recorder is None or self.recorder.stopped or self.recorder.id != running.id:
            self.record(running, connected=False)
