"""Our calls to one charge point: an operator's command is claimed, sent, and its outcome stored.

One at a time (OCPP-J 4.1.1), in the order of the pending list. A claim that we cannot confirm is asked again
with the same nonce, and an answer that comes too late still settles its command.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec
import structlog
import trio

from gateway.handlers import OUTCOMES
from gateway.handlers.charge_point import ChargePoint
from gateway.handlers.handler import Answered
from gateway.node import Node
from gateway.ocpp16 import actions
from gateway.ocpp16.errors import PayloadInvalid
from gateway.ocpp16.protocol import CallAnswered, CallRefused, OutgoingCall, Protocol
from gateway.ocpp16.registration import name_triggered
from gateway.session.link import Link
from gateway.until_stored import RETRY_S, until_stored
from gateway.websocket.close_codes import ConnectionClosed
from state import commands
from state.commands.table import Status
from state.errors import LeaseLost, Superseded
from state.keys import ChargePointKeys

log = structlog.get_logger()


class Calls:
    """A command's id is the message id of its call, so that a late answer names the command it belongs to."""

    __slots__ = ("_due", "_link", "_nursery", "_outstanding", "_protocol", "_stored", "_working")

    def __init__(self, link: Link, protocol: Protocol) -> None:
        self._link = link
        self._protocol = protocol
        self._nursery: trio.Nursery | None = None
        self._working = False
        self._due = False
        self._stored: trio.Event | None = None
        self._outstanding: OutgoingCall | None = None

    def begin(
        self, nursery: trio.Nursery, pending: Sequence[str], after: Callable[[], Awaitable[None]]
    ) -> None:
        """`pending`: the commands that the claim found; `after` waits for the session before us to end."""
        self._nursery = nursery
        self._working = True
        nursery.start_soon(self._begin, pending, after)

    def end(self) -> None:
        """No more wake-ups; what is under way is the nursery's to cancel."""
        self._nursery = None

    def wake(self) -> None:
        self._due = True
        if not self._working and self._nursery is not None:
            self._working = True
            self._nursery.start_soon(self._work)

    def store_outcome(self, outcome: CallAnswered | CallRefused) -> None:
        """The charge point answered, perhaps late; that is stored even if its connection ends with it.

        Outcomes are stored in the order of the answers, because a later one may undo an earlier one.
        """
        stored = trio.Event()
        if outcome.call is self._outstanding and self._stored is not None:
            stored = self._stored
        node, memory = self._link.node, self._link.memory
        earlier, memory.outcome_stored = memory.outcome_stored, stored
        charge_point = ChargePoint(node.store, self._link.lease, memory)
        node.see_through(_store_outcome, node, charge_point, outcome, earlier, stored)

    async def _begin(self, pending: Sequence[str], after: Callable[[], Awaitable[None]]) -> None:
        await after()
        if pending:
            mark = partial(commands.mark_unknown, self._link.node.store, self._link.lease, pending)
            await self._run_fenced(mark)
            self._due = True
        await self._work()

    async def _work(self) -> None:
        """While there is work. A task that waited for it would hold 2.4 KiB of every idle connection."""
        while self._due:
            self._due = False
            await self._run_fenced(self._run_pending)
        self._working = False

    async def _run_fenced(self, work: Callable[[], Awaitable[object]]) -> object:
        """Repeat it until the store lets us. If another session holds the lease, this one ends."""
        while True:
            try:
                return await until_stored(work)
            except LeaseLost:
                await self._link.apply_fence("lost")
                await trio.sleep(RETRY_S)
            except Superseded:
                await self._link.apply_fence("newer")
                await trio.sleep_forever()

    async def _run_pending(self) -> None:
        [pending] = await commands.list_pending(self._link.node.store, [self._link.lease])
        for command_id in pending:
            await self._run_one(command_id)

    async def _run_one(self, command_id: str) -> None:
        store, lease = self._link.node.store, self._link.lease
        # The same nonce gets the same answer, so a claim may be repeated.
        claimed = await until_stored(commands.claim, store, lease, command_id, secrets.token_hex(8))
        if isinstance(claimed, commands.Go):  # Else there is nothing to send: it is late, taken or gone.
            await self._call(command_id, claimed)
            self._due = True  # Others may have come meanwhile.

    async def _call(self, command_id: str, go: commands.Go) -> None:
        deadline = trio.current_time() + go.left_ms / 1000
        try:
            request = actions.decode_request(go.action, go.payload)
        except PayloadInvalid as error:
            await self._settle(command_id, "error", error=_error(error.code, str(error)))
            return
        protocol, now = self._protocol, trio.current_time()
        if now >= deadline:
            await self._settle(command_id, "expired")
            return
        stored = self._stored = trio.Event()
        self._link.memory.triggered |= name_triggered(request)
        frame = protocol.call(request, command_id, now, timeout=deadline - now)
        self._outstanding = protocol.outstanding
        try:
            await self._link.send(frame)
        except ConnectionClosed:
            # Whether it arrived nobody knows: the next session finds it `sent` and calls it unknown.
            await trio.sleep_forever()
        # The command is in `pending` until its outcome is stored: a list read earlier would offer it again.
        with trio.move_on_at(deadline):
            await stored.wait()
            return
        if protocol.tick(deadline) is not None:
            await self._settle(command_id, "timeout")

    async def _settle(self, command_id: str, status: Status, *, error: bytes | None = None) -> None:
        await _settle(self._link.node, self._link.lease.keys, command_id, status, error=error)


async def _store_outcome(
    node: Node,
    charge_point: ChargePoint,
    outcome: CallAnswered | CallRefused,
    earlier: trio.Event | None,
    stored: trio.Event,
) -> None:
    keys, command_id = charge_point.lease.keys, outcome.call.id
    try:
        if earlier is not None:
            await earlier.wait()
        match outcome:
            case CallAnswered():
                await _remember(charge_point, command_id, outcome)
                await _settle(node, keys, command_id, "answered", response=outcome.payload)
            case CallRefused():
                error = _error(
                    outcome.code, outcome.description, outcome.details, unreadable=outcome.unreadable
                )
                await _settle(node, keys, command_id, "error", error=error)
    finally:
        stored.set()


async def _remember(charge_point: ChargePoint, command_id: str, outcome: CallAnswered) -> None:
    """Before the command is settled: whoever waited for the answer finds all that follows from it."""
    remember = OUTCOMES.get(type(outcome.call.request))
    if remember is None:
        return
    answered = Answered(outcome.call.request, outcome.result, command_id, charge_point)
    try:
        await until_stored(remember, answered)
    except Exception:  # A defect of ours must not leave the operator without the answer.
        log.exception("outcome.store_failed", action=outcome.call.action)


async def _settle(
    node: Node,
    keys: ChargePointKeys,
    command_id: str,
    status: Status,
    *,
    response: bytes | None = None,
    error: bytes | None = None,
) -> None:
    """Store what became of a command, however long the store takes, and wake whoever waits."""
    await until_stored(
        commands.settle, node.store, keys, command_id, status=status, response=response, error=error
    )
    node.telemetry.commands[status] += 1


def _error(code: str, description: str, details: bytes = b"{}", *, unreadable: bool = False) -> bytes:
    error = {"code": code, "description": description, "details": msgspec.Raw(details)}
    return msgspec.json.encode(error | {"unreadable": True} if unreadable else error)
