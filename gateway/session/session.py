"""The life of a session, which is one open connection of a charge point.

`admission/serving.py` claims the lease of the charge point, makes the session and runs it. Two tasks share
the work of a session.

The read task takes one frame after another. For a call, it runs the handler and sends the answer before it
reads the next frame. The read task waits only for the socket and for Redis. Handlers cannot call the charge
point, so the read task never waits for an answer that only the read task could receive.

The read task sleeps while other tasks do its work for the most frequent calls. The task that watches all
sockets reads them and answers a Heartbeat. Calls that wait only for the store are errands, which the task
that reads the replies of the store ends (`state/errand.py`).

The command task sends the commands of operators, one at a time (`calls.py`). The command task exists only
while there are commands.

Each Redis script that the session runs, and an audit every 10 s, show whether the session still has its
lease. If a newer session has the lease, this session closes. If the store was rolled back or wiped, this
session takes its lease again and stays open (`link.py`). If a handler fails for another reason, the charge
point gets a CALLERROR, and the connection stays open.

The session ends when the charge point closes the connection, vanishes or breaks the websocket protocol. The
gateway closes a session after a takeover, in a drain, and when an operator disconnects or deletes the charge
point or revokes its token (`websocket/close_codes.py`). At its end, a session writes the last frames of its
trace and gives its lease back.
"""

import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from time import monotonic
from typing import Any, NoReturn, override

import structlog
import trio

from gateway import heartbeats
from gateway.handlers import AT_ONCE, ERRANDS, HANDLERS
from gateway.handlers.charge_point import ChargePoint, SessionMemory, now_ms
from gateway.node import Node
from gateway.ocpp16.faults.table import FaultName
from gateway.ocpp16.messages.types import Message
from gateway.ocpp16.protocol import Protocol, Role
from gateway.ocpp16.received import CallAnswered, CallRefused, Ignored, IncomingCall, Received, Reply
from gateway.ocpp16.registration import NOT_ACCEPTED, REFUSAL, may_receive
from gateway.service.client_certificates import ClientCertificate
from gateway.service.frame_masking import FrameMasker
from gateway.session.calls import Calls
from gateway.session.link import Link
from gateway.until_stored import until_stored
from gateway.websocket.close_codes import Close, Closed, ConnectionClosed
from gateway.websocket.connection import Connection
from gateway.websocket.large_messages import SMALL
from state import charge_points
from state.charge_points import unreadable_facts
from state.commands.record import Why
from state.errand import Errand
from state.errors import LeaseLost, StoreUnavailable, Superseded
from state.nodes import leases

log = structlog.get_logger()


_LARGE_READERS = trio.CapacityLimiter(1)
"""One thread at a time, because more would only take the interpreter from the event loop."""
_FAULTS_OF_CLOSE: dict[Close, FaultName] = {
    Close.TOO_BIG: "message_too_big",
    Close.NOT_UTF8: "message_not_utf8",
    Close.TOO_FRAGMENTED: "message_in_too_many_frames",
    Close.TOO_MANY_CONTROL_FRAMES: "too_many_control_frames",
    Close.UNFINISHED: "message_unfinished",
}


class Session:
    __slots__ = ("__weakref__", "_lost_by", "_protocol", "calls", "link")

    def __init__(
        self,
        node: Node,
        claimed: leases.Claimed,
        connection: Connection,
        attached: leases.Attachment,
        certificate: ClientCertificate | None = None,
    ) -> None:
        record, boot = claimed.record, node.config.boot
        self._lost_by: Why = "node_lost" if claimed.previous_lost else "connection_ended"
        memory = SessionMemory(
            heartbeat_interval_s=heartbeats.spread(
                boot.heartbeat_interval_s, boot.heartbeat_spread_percent, claimed.lease.keys.member
            ),
            registration=record.boot_status,
            policy=record.registration,
            strict=record.strict,
            security_profile=attached.security_profile,
        )
        self.link = Link(node, claimed.lease, attached, connection, memory, certificate=certificate)
        self.link.repair_frames(strict=record.strict)
        if claimed.trace is not None:
            self.link.record(claimed.trace, connected=True)
        self._protocol = Protocol(Role.CENTRAL_SYSTEM, strict=record.strict)
        self.calls = Calls(self.link, self._protocol, due=claimed.waiting > 0)

    async def run(self, pending: Sequence[str], after: Callable[[], Awaitable[None]]) -> Closed:
        """Serve until the connection ends.

        `pending` are the commands that were pending when the lease was claimed. `after` waits until the
        previous session of the charge point has ended.
        """
        link = self.link
        try:
            async with trio.open_nursery() as nursery:
                self.calls.begin(nursery, pending, after, self._lost_by)
                del pending, after  # The claim to which they refer is of no use for an idle session.
                try:
                    closed = await link.connection.run(self._receive, self.calls.end)
                finally:
                    self.calls.end()
                nursery.cancel_scope.cancel()
            if link.recorder is not None:
                await link.recorder.finish(closed)
        finally:
            link.node.count_faults(link.lease.keys, self._protocol.take_faults())
            if (fault := _FAULTS_OF_CLOSE.get(link.connection.violation or Close.LEFT)) is not None:
                link.node.count_faults(link.lease.keys, (fault,))
            link.node.fault_counts.write_soon()
            link.connection.repair_faults(None)
            link.end()
        return closed

    async def reread_settings(self) -> None:
        """Read the charge point's settings again, after an operator changed them.

        Only a BootNotification changes the registration, so this method does not.
        """
        keys = self.link.lease.keys
        record = await charge_points.get(self.link.node.store, keys.tenant, keys.id)
        if record is not None:
            self.link.memory.policy = record.registration
            self.link.memory.strict = self._protocol.strict = record.strict
            self.link.repair_frames(strict=record.strict)
            if self.link.memory.accepted is not None:
                self.calls.wake()  # The change may allow the commands that are held back.

    def _receive(self, frame: bytes) -> Coroutine[Any, Any, None] | None:
        """Serve a frame, or return the coroutine that serves it.

        The method returns a coroutine instead of being one, because each further coroutine costs 1 % of the
        time for a Heartbeat.
        """
        began = monotonic()
        link, protocol = self.link, self._protocol
        link.heard_at = began
        frame = link.secrets.hide(frame)
        if len(frame) > SMALL:
            return self._receive_large(frame, began)
        received = protocol.receive(frame, began)
        if link.recorder is not None:
            link.recorder.record_received(frame, protocol.faults)
        if protocol.faults:
            link.node.count_faults(link.lease.keys, protocol.take_faults())
            if protocol.rest:
                return self._serve_joined(received, began)
        if isinstance(received, IncomingCall):
            if (
                received.action in AT_ONCE
                and link.memory.registration == "Accepted"
                and link.recorder is None
            ):
                return self._answer_at_once(received, began)
            if received.action in ERRANDS and link.memory.registration == "Accepted":
                return self._answer_by_errand(received, began)
            return self._answer(received, began)
        return self._dispatch(received)

    def _answer_at_once(self, call: IncomingCall, began: float) -> Coroutine[Any, Any, None] | None:
        """Answer a call that needs neither the store nor a wait."""
        link = self.link
        answer = self._protocol.answer(call, AT_ONCE[call.action]())
        try:
            rest = link.connection.send_now(answer)
        except ConnectionClosed:
            rest = None
        took_s = monotonic() - began
        link.node.telemetry.observe_call(call.action, took_s)
        return None if rest is None else self._finish_reply(rest)

    def _answer_by_errand(self, call: IncomingCall, began: float) -> Coroutine[Any, Any, None] | None:
        """Answer a call that waits only for the store, without waking the task of the session."""
        errand = AnswerErrand(self, call, began)
        if errand.run():
            return self.conclude(errand)
        self.link.connection.serve_elsewhere(errand.cancel)
        return None

    def conclude(self, errand: "AnswerErrand") -> Coroutine[Any, Any, None] | None:
        """Send the answer of an errand that has ended. Returns what is left to await, or None."""
        call, charge_point, began = errand.call, errand.charge_point, errand.began
        try:
            answer = self._protocol.answer(call, errand.take_result())
        except Exception as error:  # noqa: BLE001  `_rescue` judges it
            return self._answer_failed(error, call, charge_point, began)
        left = self._send_answer(answer, call, charge_point, began)
        if left is not None:
            return self._end_call_after(left, charge_point)
        self.end_call(charge_point)
        return None

    async def _end_call_after(self, left: Coroutine[Any, Any, None], charge_point: ChargePoint) -> None:
        try:
            await left
        finally:
            self.end_call(charge_point)

    async def _finish_reply(self, rest: Awaitable[None]) -> None:
        # The read task also notices that the connection has ended.
        with contextlib.suppress(ConnectionClosed):
            await rest

    async def _receive_large(self, frame: bytes, began: float) -> None:
        link, protocol = self.link, self._protocol
        received = await self._read_large(frame, began)
        if link.recorder is not None:
            link.recorder.record_received(frame, protocol.faults)
        if protocol.faults:
            link.node.count_faults(link.lease.keys, protocol.take_faults())
        await self._serve_joined(received, began)

    async def _read_large(self, frame: bytes | str, began: float) -> Received:
        """Read a large frame in a thread, because a faulty one may take half a second to read."""
        reading = self.link.reading = trio.Event()
        try:
            return await trio.to_thread.run_sync(self._protocol.receive, frame, began, limiter=_LARGE_READERS)
        finally:
            self.link.reading = None
            reading.set()

    async def _serve_joined(self, received: Received, began: float) -> None:
        """Serve all messages of a text frame that holds several, in their order."""
        link, protocol = self.link, self._protocol
        while True:
            if isinstance(received, IncomingCall):
                await self._answer(received, began)
            else:
                await self._dispatch(received)
            rest, protocol.rest = protocol.rest, ""
            if not rest:
                return
            await trio.lowlevel.checkpoint()
            began = monotonic()
            if len(rest) > SMALL:
                received = await self._read_large(rest, began)
            else:
                received = protocol.receive(rest, began)
            link.node.count_faults(link.lease.keys, protocol.take_faults())

    async def _dispatch(self, received: Reply | CallAnswered | CallRefused | Ignored) -> None:
        match received:
            case Reply():
                if await self._keep_unread(received.unread_fact):
                    await self._reply(received.frame)
            case CallAnswered() | CallRefused():
                self.calls.store_outcome(received)
            case Ignored():
                await self._keep_unread(received.unread_fact)
                if received.late is not None:
                    self.calls.store_outcome(received.late)

    async def _keep_unread(self, text: str) -> bool:
        """Store the text of an unreadable fact, if there is one.

        False means that the store is away. The charge point then gets no answer, so that it sends the fact
        again.
        """
        if text:
            shown = FrameMasker().mask(text[: unreadable_facts.CHARACTERS_MAX].encode())
            keys = self.link.lease.keys
            try:
                await unreadable_facts.keep(self.link.node.store, keys, shown, len(text), now_ms())
            except StoreUnavailable:
                return False
        return True

    async def _reply(self, frame: bytes, faults: Iterable[str] = ()) -> None:
        # The read task also notices that the connection has ended.
        with contextlib.suppress(ConnectionClosed):
            await self.link.send(frame, faults)

    async def _answer(self, call: IncomingCall, began: float) -> None:
        link = self.link
        charge_point = ChargePoint(link.node.store, link.lease, link.memory, call.payload, call.as_sent)
        link.answering = True
        try:
            if link.memory.registration != "Accepted" and not self._may_speak(call.action, charge_point):
                await self._reply(self._protocol.refuse(call, REFUSAL, NOT_ACCEPTED), charge_point.faults)
                return
            try:
                answer = self._protocol.answer(call, await HANDLERS[call.action](call.request, charge_point))
            except Exception as error:  # noqa: BLE001  `_rescue` judges it
                answer = await self._rescue(call, error, charge_point)
                if not answer:
                    return
            if (left := self._send_answer(answer, call, charge_point, began)) is not None:
                await left
        finally:
            self.end_call(charge_point)

    def _send_answer(
        self, answer: bytes, call: IncomingCall, charge_point: ChargePoint, began: float
    ) -> Coroutine[Any, Any, None] | None:
        """Send an answer, and do what follows from it. Returns what is left to await, or None."""
        link = self.link
        for work in charge_point.later:
            link.node.see_through(until_stored, work)
        rest: Awaitable[None] | None = None
        if link.recorder is None:
            try:  # noqa: SIM105  suppress() costs 3 % of a whole call
                rest = link.connection.send_now(answer)
            except ConnectionClosed:
                pass
        else:
            rest = link.send(answer, charge_point.faults)
        link.node.telemetry.observe_call(call.action, monotonic() - began)
        if charge_point.fact is not None:
            link.node.fact_log.note(charge_point.fact)
        if rest is not None or charge_point.fence != "ok":
            return self._finish_answer(rest, charge_point.fence)
        return None

    async def _finish_answer(self, rest: Awaitable[None] | None, fence: leases.Fence) -> None:
        if rest is not None:
            await self._finish_reply(rest)
        if fence != "ok":
            await self.link.apply_fence(fence)

    def end_call(self, charge_point: ChargePoint) -> None:
        """Count the faults of a call that was answered, or that gets no answer."""
        link = self.link
        if charge_point.faults:
            link.node.count_faults(link.lease.keys, charge_point.faults)
        link.answering = False
        if link.answered is not None:
            link.answered.set()

    async def _answer_failed(
        self, error: Exception, call: IncomingCall, charge_point: ChargePoint, began: float
    ) -> None:
        """Answer a call whose handler failed."""
        try:
            if answer := await self._rescue(call, error, charge_point):
                left = self._send_answer(answer, call, charge_point, began)
                if left is not None:
                    await left
        finally:
            self.end_call(charge_point)

    def _may_speak(self, action: str, charge_point: ChargePoint) -> bool:
        """Return whether the registration of the charge point allows this call.

        A refused call is counted as a fault, and so is a call that is served without any BootNotification.
        """
        memory = self.link.memory
        verdict = may_receive(
            action,
            memory.registration,
            policy=memory.policy,
            strict=memory.strict,
            triggered=memory.triggered,
        )
        if verdict == "no_boot":
            charge_point.fault("no_boot")
        elif verdict == "refused":
            charge_point.fault("not_accepted")
        return verdict != "refused"

    async def _rescue(self, call: IncomingCall, error: Exception, charge_point: ChargePoint) -> bytes:
        """Return the answer to a call whose handler failed, or b"" if the session closes instead."""
        if isinstance(error, LeaseLost):
            # The store was rolled back or wiped, so `leases.require` raised LeaseLost. The handler may run
            # again, because handlers are idempotent. A script that stores a fact does not raise LeaseLost.
            # The script returns the state of the lease, and `_answer` acts on this state.
            try:
                await self.link.readopt()
                return self._protocol.answer(call, await HANDLERS[call.action](call.request, charge_point))
            except Exception as again:  # noqa: BLE001  judged below
                error = again
        if isinstance(error, Superseded):
            self.link.close_soon(Close.SUPERSEDED)
            return b""
        self.link.node.telemetry.refused_calls[call.action] += 1
        if isinstance(error, StoreUnavailable):
            # csms must not acknowledge a call that is not stored. OCPP allows the charge point to repeat the
            # call.
            return self._protocol.refuse(
                call, "InternalError", "The store did not answer. Send the call again later."
            )
        log.error("handler.failed", action=call.action, charge_point=self.link.lease.keys.id, exc_info=error)
        return self._protocol.refuse(
            call, "InternalError", "The central system failed to process this call. The log has the cause."
        )


class AnswerErrand(Errand[Message]):
    """A call that is answered without waking the task of its session."""

    __slots__ = ("_session", "began", "call", "charge_point")

    def __init__(self, session: Session, call: IncomingCall, began: float) -> None:
        link = session.link
        link.answering = True
        self._session = session
        self.call = call
        self.charge_point = ChargePoint(link.node.store, link.lease, link.memory, call.payload, call.as_sent)
        self.began = began
        super().__init__(HANDLERS[call.action](call.request, self.charge_point))

    @override
    def end(self) -> None:
        try:
            left = self._session.conclude(self)
        except Exception as error:  # noqa: BLE001  The session raises it.
            left = _raise(error)
        self._session.link.connection.resume(left)

    @override
    def cancel(self) -> None:
        super().cancel()
        self._session.end_call(self.charge_point)


async def _raise(error: Exception) -> NoReturn:
    raise error
