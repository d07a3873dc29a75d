"""The part of a session that other modules use: lease, outgoing frames, trace and end."""

from collections.abc import Awaitable, Iterable
from contextlib import suppress
from time import monotonic

import trio

from gateway.handlers.charge_point import SessionMemory
from gateway.node import Node
from gateway.ocpp16.faults.table import FaultName
from gateway.service.client_certificates import ClientCertificate
from gateway.service.known_secrets import KnownSecrets
from gateway.session.trace import Recorder
from gateway.websocket.close_codes import Close
from gateway.websocket.connection import Connection
from state.errors import LeaseLost, StoreUnavailable, Superseded
from state.nodes import leases
from state.record import RunningTrace
from state.traces import traces
from state.transactions import running

FINISH_CALL_S = 5.0


class Link:
    """The part of a session that other objects use.

    `Session` and `Calls` refer to the link, and the link refers to neither, so that an ended session is freed
    without the garbage collector.
    """

    __slots__ = (
        "_closing",
        "_ended",
        "answered",
        "answering",
        "attached",
        "certificate",
        "connection",
        "has_ended",
        "heard_at",
        "heard_stored",
        "lease",
        "memory",
        "node",
        "reading",
        "recorder",
        "secrets",
    )

    def __init__(
        self,
        node: Node,
        lease: leases.Lease,
        attached: leases.Attachment,
        connection: Connection,
        memory: SessionMemory,
        *,
        certificate: ClientCertificate | None = None,
    ) -> None:
        self.node = node
        self.lease = lease
        self.attached = attached
        self.connection = connection
        self.memory = memory
        self.certificate = certificate
        self.secrets = KnownSecrets()
        """Secrets of the charge point, which no received frame shows."""
        self.recorder: Recorder | None = None
        self.has_ended = False
        self._ended: trio.Event | None = None
        self.heard_at = self.heard_stored = monotonic()
        """When the last OCPP message came, and the latest such time that the store has."""
        self.answering = False
        """True while a call of the charge point is served. The end of that call sets `answered`."""
        self.answered: trio.Event | None = None
        self.reading: trio.Event | None = None
        """Set after a thread has read a large frame. None while no thread reads."""
        self._closing = False

    def send(self, frame: bytes, faults: Iterable[str] = ()) -> Awaitable[None]:
        """Send a frame, and record the frame if a trace runs. Raises ConnectionClosed.

        `faults` are the faults of the received frame that `frame` answers. The method returns a coroutine
        instead of being one, because each further coroutine costs 1 % of the time for a Heartbeat.
        """
        return self.connection.send(frame) if self.recorder is None else self._send_recorded(frame, faults)

    async def _send_recorded(self, frame: bytes, faults: Iterable[str]) -> None:
        await self.connection.send(frame)
        if self.recorder is not None:
            self.recorder.record_sent(frame, faults)

    @property
    def is_closing(self) -> bool:
        """Whether the connection has ended, or is about to be closed by csms."""
        return self._closing or self.connection.closed is not None

    def unstored_seen_s(self) -> int | None:
        """Return when the last OCPP message came (Unix seconds), or None if the store knows that already."""
        if self.heard_at == self.heard_stored:
            return None
        return int(self.node.store.server_time_ms() / 1000 - (monotonic() - self.heard_at))

    # --- The end -----------------------------------------------------------------------------------

    async def close(self, closing: Close) -> None:
        """Wait at most 5 s until the current call is answered, then close.

        A second call of `close` changes nothing.
        """
        if self._closing:
            return
        self._closing = True
        with trio.move_on_after(FINISH_CALL_S):
            if self.answering:
                self.answered = trio.Event()
                # The event is for the current call only. It would not work to wait until `answering` is
                # False, because the next call may follow at once.
                await self.answered.wait()
        await self.connection.close(closing)

    def close_soon(self, closing: Close) -> None:
        self.node.background(self.close, closing)

    def end(self) -> None:
        """Note that the session has ended, and wake those who wait for that."""
        self.has_ended = True
        if self._ended is not None:
            self._ended.set()

    async def wait_ended(self) -> None:
        if not self.has_ended:
            self._ended = self._ended or trio.Event()
            await self._ended.wait()

    # --- The lease ---------------------------------------------------------------------------------

    async def apply_fence(self, fence: leases.Fence) -> None:
        """Close the connection or take the lease again, if the store returned a fence that requires it."""
        if fence != "ok":
            self.node.telemetry.leases["superseded" if fence == "newer" else "lost"] += 1
        if fence == "newer":
            self.close_soon(Close.SUPERSEDED)
        elif fence == "lost":
            try:
                await self.readopt()
            except Superseded:
                self.close_soon(Close.SUPERSEDED)
            except StoreUnavailable:
                pass  # The next audit will try this again.

    async def readopt(self) -> None:
        """Take the lease again, after the store was rolled back or wiped.

        A session that has ended takes no lease. Raises StoreUnavailable, and Superseded if a newer session
        has the lease.
        """
        async with self.node.readoptions:
            if self.has_ended:
                return
            try:
                if not await leases.readopt(
                    self.node.store, self.lease, self.attached, registration=self.memory.policy
                ):
                    raise Superseded(self.lease.keys.id)
            finally:
                # The release may have come before the lease was taken, or the lease may have been taken
                # although no reply came.
                if self.has_ended:
                    self.node.release(self.lease.keys, self.lease.holder, "connection lost")
        await self.set_pointers()

    async def set_pointers(self) -> None:
        """Note on which connectors the transactions run that began while the lease was lost.

        If the store is away, the upkeep tries this again.
        """
        if self.lease.unpointed:
            with suppress(StoreUnavailable, Superseded, LeaseLost):
                await running.set_pointers(self.node.store, self.lease)

    # --- Faults and traces -------------------------------------------------------------------------

    def repair_frames(self, *, strict: bool) -> None:
        """Repair and count faults of the websocket transport.

        If the charge point is strict, such a fault ends the connection instead.
        """
        self.connection.repair_faults(None if strict else self._note_repair)

    def _note_repair(self, fault: FaultName) -> None:
        if self.recorder is not None:
            self.recorder.record_fault(fault)
        self.node.count_faults(self.lease.keys, (fault,))

    def record(self, running: RunningTrace, *, connected: bool) -> None:
        """Record frames from now on. `connected` means that the connection was just made."""
        self.recorder = Recorder(self.node, self.lease, running)
        self.recorder.begin(self.attached, connected=connected)

    async def follow_trace(self) -> None:
        """Record frames if a trace of this charge point is running. Otherwise stop recording.

        Raises StoreUnavailable.
        """
        store = self.node.store
        running = await traces.find_running(store, self.lease.keys)
        if running is None or self.has_ended or running.until_ms < store.server_time_ms():
            self.recorder = None
        elif self.recorder is None or self.recorder.stopped or self.recorder.id != running.id:
            self.record(running, connected=False)
