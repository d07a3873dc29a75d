"""One live socket of one charge point: reads and answers its calls.

The read task decodes, runs the handler inline and writes the answer, one call after the other; only Redis may
hold it up. Operators' commands are the other task's work (`calls.py`).
"""

import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from time import monotonic

import structlog
import trio

from gateway.handlers import HANDLERS
from gateway.handlers.charge_point import ChargePoint
from gateway.node import Node
from gateway.ocpp16.protocol import CallAnswered, CallRefused, Ignored, IncomingCall, Protocol, Reply, Role
from gateway.ocpp16.registration import NOT_ACCEPTED, REFUSAL, may_receive
from gateway.session.calls import Calls
from gateway.session.trace import Recorder
from gateway.websocket.close_codes import Close, Closed, ConnectionClosed
from gateway.websocket.connection import Connection
from state import charge_points
from state.errors import LeaseLost, StoreUnavailable, Superseded
from state.nodes import leases

log = structlog.get_logger()

FINISH_CALL_S = 5.0


class Session:
    def __init__(
        self, node: Node, claimed: leases.Claimed, connection: Connection, attached: leases.Attachment
    ) -> None:
        record = claimed.record
        self.node = node
        self.lease = claimed.lease
        self.connection = connection
        self.attached = attached
        self.protocol = Protocol(Role.CENTRAL_SYSTEM, strict=record.strict)
        self.charge_point = ChargePoint(
            store=node.store,
            lease=claimed.lease,
            heartbeat_interval_s=node.config.boot.heartbeat_interval_s,
            registration=record.boot_status,
            policy=record.registration,
            strict=record.strict,
        )
        self.calls = Calls(self)
        self.trace = None if claimed.trace is None else Recorder(self, claimed.trace)
        self._waiting = claimed.pending
        self.ended = trio.Event()
        self._answering = False
        self._answered: trio.Event | None = None
        self._closing: Close | None = None
        self._tolerate(strict=record.strict)

    @property
    def charging(self) -> bool:
        return self.charge_point.charging

    async def run(self, *, after: Callable[[], Awaitable[None]]) -> Closed:
        """Serve until the connection ends. `after` waits for the session that held the lease before."""
        self.node.hub.add(self)
        if self.trace is not None:
            self.trace.begin(connected=True)
        try:
            async with trio.open_nursery() as nursery:
                self.calls.begin(nursery, self._waiting, after)
                closed = await self.connection.run(self._received)
                nursery.cancel_scope.cancel()
            if self.trace is not None:
                await self.trace.finish(closed)
        finally:
            self.calls.end()
            self.node.hub.remove(self)
            self._count_faults(self.protocol.faults + self.charge_point.faults)
            self.node.fault_book.write_soon()
            self.connection.repair_faults(None)
            self.trace = None
            self.ended.set()
        return closed

    async def close(self, closing: Close) -> None:
        """Finish the call at hand, then say goodbye. A second closing changes nothing."""
        if self._closing is not None:
            return
        self._closing = closing
        with trio.move_on_after(FINISH_CALL_S):
            if self._answering:
                self._answered = trio.Event()
                await self._answered.wait()  # Of this call alone: the next may follow without a pause.
        await self.connection.close(closing)

    def close_soon(self, closing: Close) -> None:
        self.node.background(self.close, closing)

    async def reread_settings(self) -> None:
        """An operator changed them. The registration stays: only a BootNotification changes that."""
        keys = self.lease.keys
        record = await charge_points.get(self.node.store, keys.tenant, keys.id)
        if record is not None:
            self.charge_point.policy = record.registration
            self.charge_point.strict = self.protocol.strict = record.strict
            self._tolerate(strict=record.strict)

    def _tolerate(self, *, strict: bool) -> None:
        self.connection.repair_faults(None if strict else self._tolerated)

    def _tolerated(self, name: str) -> None:
        if self.trace is not None:
            self.trace.tolerated(name)
        self._count_faults(Counter((name,)))

    def _count_faults(self, faults: Counter[str]) -> None:
        self.node.count_faults(self.lease.keys, faults)

    def _received(self, frame: bytes) -> Awaitable[None]:
        """What to await: one coroutine from here to the handler, as each more costs 1 % of a Heartbeat."""
        began = monotonic()
        received = self.protocol.receive(frame, began)
        if self.trace is not None:
            self.trace.received(frame, self.protocol.faults)
        if self.protocol.faults:
            self._count_faults(self.protocol.faults)
        if isinstance(received, IncomingCall):
            return self._answer(received, began)
        return self._take(received)

    async def _take(
        self, received: Reply | CallAnswered | CallRefused | Ignored, faults: Iterable[str] = ()
    ) -> None:
        match received:
            case Reply():
                with contextlib.suppress(ConnectionClosed):
                    await self.connection.send(received.frame)
                    if self.trace is not None:
                        self.trace.sent(received.frame, faults)
            case CallAnswered() | CallRefused():
                self.calls.settled(received)
            case Ignored():
                if received.late is not None:
                    self.calls.settled(received.late)

    async def _answer(self, call: IncomingCall, began: float) -> None:
        charge_point = self.charge_point
        charge_point.payload = call.payload
        if charge_point.registration != "Accepted" and not self._may_speak(call.action):
            refusal = Reply(self.protocol.refuse(call, REFUSAL, NOT_ACCEPTED))
            await self._take(refusal, charge_point.faults)
            self._count_faults(charge_point.faults)
            return
        self._answering = True
        try:
            try:
                answer = self.protocol.answer(call, await HANDLERS[call.action](call.request, charge_point))
            except Exception as error:  # noqa: BLE001  judged there
                answer = await self._rescue(call, error)
                if not answer:
                    return
            try:  # Not suppress(), which costs 3 % of a whole call.
                await self.connection.send(answer)
                if self.trace is not None:
                    self.trace.sent(answer, charge_point.faults)
            except ConnectionClosed:
                pass  # The read loop is about to see the same end.
            self.node.telemetry.answered(call.action, monotonic() - began)
            if charge_point.faults:
                self._count_faults(charge_point.faults)
            if charge_point.fence != "ok":
                await self._refenced()
        finally:
            self._answering = False
            if self._answered is not None:
                self._answered.set()

    def _may_speak(self, action: str) -> bool:
        """Whether the registration lets it; what is wrong with that is noted."""
        charge_point = self.charge_point
        verdict = may_receive(
            action,
            charge_point.registration,
            policy=charge_point.policy,
            strict=charge_point.strict,
            triggered=charge_point.triggered,
        )
        match verdict:
            case "no_boot":
                charge_point.fault("no_boot")
            case "refused":
                charge_point.fault("not_accepted")
            case "served":
                pass
        return verdict != "refused"

    async def _rescue(self, call: IncomingCall, error: Exception) -> bytes:
        """The answer to a call whose handler failed; empty if there is none to give."""
        if isinstance(error, LeaseLost):
            # Handlers are idempotent, so the step that the rolled-back store refused is simply run again.
            try:
                await self.readopt()
                return self.protocol.answer(
                    call, await HANDLERS[call.action](call.request, self.charge_point)
                )
            except Exception as again:  # noqa: BLE001  judged below
                error = again
        if isinstance(error, Superseded):
            self.close_soon(Close.SUPERSEDED)
            return b""
        self.node.telemetry.refused_calls[call.action] += 1
        if isinstance(error, StoreUnavailable):
            # No acknowledgement without the write: the charge point tries again by specification.
            return self.protocol.refuse(call, "InternalError", "The store did not answer; try again later.")
        log.error("handler failed", action=call.action, charge_point=self.lease.keys.id, exc_info=error)
        return self.protocol.refuse(call, "InternalError", "Internal error.")

    async def _refenced(self) -> None:
        """A fact was stored, and the step said what became of our lease."""
        fence, self.charge_point.fence = self.charge_point.fence, "ok"
        await self.audited(fence)

    async def readopt(self) -> None:
        """The store was rolled back or wiped: take the lease again. Raises Superseded, StoreUnavailable."""
        async with self.node.readoptions:
            policy = self.charge_point.policy
            if not await leases.readopt(self.node.store, self.lease, self.attached, registration=policy):
                raise Superseded(self.lease.keys.id)

    async def audited(self, fence: leases.Fence) -> None:
        """What a step or the node's audit found of our lease."""
        if fence == "newer":
            self.close_soon(Close.SUPERSEDED)
        elif fence == "lost":
            try:
                await self.readopt()
            except Superseded:
                self.close_soon(Close.SUPERSEDED)
            except StoreUnavailable:
                pass  # The next audit tries again.
