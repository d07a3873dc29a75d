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

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from time import monotonic
from typing import Any

import structlog
import trio

from gateway import heartbeats
from gateway.handlers import ERRANDS
from gateway.handlers.charge_point import SessionMemory, now_ms
from gateway.node import Node
from gateway.ocpp16 import plain_heartbeat
from gateway.ocpp16.faults.table import FaultName
from gateway.ocpp16.protocol import Protocol, Role
from gateway.ocpp16.received import CallAnswered, CallRefused, Ignored, IncomingCall, Received, Reply
from gateway.service.client_certificates import ClientCertificate
from gateway.service.frame_masking import FrameMasker
from gateway.session.answers import Answers
from gateway.session.calls import Calls
from gateway.session.link import Link
from gateway.websocket.close_codes import Close, Closed
from gateway.websocket.connection import Connection
from gateway.websocket.large_messages import SMALL
from state import charge_points
from state.charge_points import unreadable_facts
from state.commands.record import Why
from state.errors import StoreUnavailable
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
    __slots__ = ("__weakref__", "_answers", "_lost_by", "_protocol", "calls", "link")

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
        self._answers = Answers(self.link, self._protocol)
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
        if (
            len(frame) <= plain_heartbeat.LONGEST
            and (id_ := plain_heartbeat.read_id(frame))
            and link.memory.registration == "Accepted"
            and link.recorder is None
            and not protocol.faults
        ):
            return self._answers.answer_heartbeat(id_, began)
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
            if received.action in ERRANDS and link.memory.registration == "Accepted":
                return self._answers.answer_by_errand(received, began)
            return self._answers.answer(received, began)
        return self._dispatch(received)

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
                await self._answers.answer(received, began)
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
                    await self._answers.reply(received.frame)
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
