"""Our calls to one charge point: claim an operator's command, send it, and store its outcome.

Calls are sent one at a time (OCPP-J 4.1.1), in the order of the pending list, and then of the list of
commands that wait until the charge point is online. Those are held back until the charge point is accepted.
If the store does not confirm a claim, the claim is repeated with the same nonce. If an answer comes after the
deadline, it still becomes the outcome of its command.
"""

import math
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
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
from gateway.ocpp16.messages.core import ChangeConfiguration
from gateway.ocpp16.messages.types import Message
from gateway.ocpp16.protocol import UNREADABLE, Protocol
from gateway.ocpp16.received import CallAnswered, CallRefused, OutgoingCall
from gateway.ocpp16.registration import name_triggered
from gateway.service.frame_masking import FrameMasker
from gateway.service.secrets import MASK, names_secret
from gateway.session.link import Link
from gateway.until_stored import RETRY_S, until_stored
from gateway.websocket.close_codes import Close, ConnectionClosed
from state import commands
from state.charge_points import configuration, passwords
from state.commands.record import Why
from state.commands.sealing import SealBroken, unseal
from state.commands.table import Status
from state.errors import LeaseLost, Superseded
from state.keys import ChargePointKeys

log = structlog.get_logger()

BOOT_S = 3.0
"""How long after the connection a BootNotification may come, until commands that wait are sent without one.

A charge point that has just started sends a BootNotification at once, and may answer no call before it is
answered. A charge point that only lost its connection sends none.
"""

_TOO_BIG = f"{UNREADABLE}the charge point sent a message over the limit, so csms closed the connection"


class Calls:
    """Commands of one session.

    The id of a command is the message id of its call, so a late answer names the command.
    """

    __slots__ = (
        "_begun",
        "_due",
        "_link",
        "_lost_by",
        "_nursery",
        "_outstanding",
        "_protocol",
        "_stored",
        "_unwritten",
        "_working",
    )

    def __init__(self, link: Link, protocol: Protocol, *, due: bool = False) -> None:
        """`due` means that commands waited for the charge point when the lease was claimed."""
        self._link = link
        self._protocol = protocol
        self._nursery: trio.Nursery | None = None
        self._working = False
        self._due = due
        self._begun = trio.current_time()
        self._stored: trio.Event | None = None
        self._outstanding: OutgoingCall | None = None
        self._unwritten: tuple[str, str] | None = None
        """Id and nonce of the command that this session has claimed, or may have claimed, and not written."""
        self._lost_by: Why = "node_lost"

    def begin(
        self,
        nursery: trio.Nursery,
        pending: Sequence[str],
        after: Callable[[], Awaitable[None]],
        lost_by: Why,
    ) -> None:
        """Begin to send commands.

        `pending` are the commands that were pending when the lease was claimed. `after` waits until the
        previous session of the charge point has ended. `lost_by` says how that session ended.
        """
        self._nursery = nursery
        self._working = True
        self._lost_by = lost_by
        nursery.start_soon(self._begin, pending, after)

    def end(self) -> None:
        """Ignore wake-ups from now on. The caller then cancels the nursery, and with it the current call.

        The outcome of a call that was written and not answered is unknown. It is stored in the background.
        """
        self._nursery = None
        self._give_back()
        call = self._protocol.outstanding
        if call is not None and call is self._outstanding:
            self._outstanding = None
            node, keys = self._link.node, self._link.lease.keys
            if self._link.connection.violation is Close.TOO_BIG:
                error = _error("FormationViolation", _TOO_BIG, unreadable=True)
                settle = partial(_settle, node, keys, call.id, "error", error=error)
            else:
                settle = partial(_settle, node, keys, call.id, "unknown", why="connection_ended")
            node.see_through(settle)

    def wake(self) -> None:
        self._due = True
        if not self._working and self._nursery is not None:
            self._working = True
            self._nursery.start_soon(self._work)

    def store_outcome(self, outcome: CallAnswered | CallRefused) -> None:
        """Store the outcome of a call, even if the answer is late or the connection then ends.

        Outcomes are stored in the order of the answers, because a later one may undo an earlier one.
        """
        self._link.node.telemetry.observe_command(
            outcome.call.action, trio.current_time() - outcome.call.made
        )
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
            store, lease = self._link.node.store, self._link.lease
            mark = partial(commands.mark_unknown, store, lease, pending, self._lost_by)
            await self._run_fenced(mark)
            self._due = True
        await self._work()

    async def _work(self) -> None:
        """Run commands until none is left.

        Then the task ends, because a waiting task costs 2.4 KiB per connection.
        """
        while self._due:
            self._due = False
            await self._run_fenced(self._run_pending)
        self._working = False

    async def _run_fenced(self, work: Callable[[], Awaitable[object]]) -> object:
        """Repeat `work` until the store has done it.

        If another session holds the lease, close this session.
        """
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
        lists = await commands.read_lists(self._link.node.store, self._link.lease.keys)
        waiting = set(lists.waiting)
        for command_id in (*lists.pending, *lists.waiting):
            if self._link.is_closing:
                return  # The next session sends the commands that wait.
            if command_id in waiting and not self._is_settled():
                self._hold_back()
                return
            await self._run_one(command_id)

    def _is_settled(self) -> bool:
        """Return whether the charge point is accepted, and has booted or is not about to boot."""
        boot_is_over = self._link.memory.booted or trio.current_time() >= self._begun + BOOT_S
        return boot_is_over and self._is_accepted()

    def _is_accepted(self) -> bool:
        memory = self._link.memory
        if memory.registration is None:
            return memory.policy == "Accepted" and not memory.strict
        return memory.registration == "Accepted"

    def _hold_back(self) -> None:
        """Send the commands that wait as soon as the charge point is accepted."""
        memory = self._link.memory
        if memory.accepted is None and self._nursery is not None:
            memory.accepted = trio.Event()
            self._nursery.start_soon(self._wake_accepted, memory.accepted)

    async def _wake_accepted(self, accepted: trio.Event) -> None:
        with trio.move_on_at(self._begun + BOOT_S if self._is_accepted() else math.inf):
            await accepted.wait()
        self._link.memory.accepted = None
        self.wake()

    async def _run_one(self, command_id: str) -> None:
        nonce = secrets.token_hex(8)
        claimed, deadline = await until_stored(self._claim, command_id, nonce)
        if isinstance(claimed, commands.Go):  # Otherwise the command can no longer be sent.
            await self._call(command_id, claimed, deadline)
            self._due = True  # New commands may have arrived during the call.
        self._unwritten = None

    async def _claim(
        self, command_id: str, nonce: str
    ) -> tuple[commands.Go | commands.Late | commands.Taken | commands.Gone, float]:
        """Claim a command, and return its deadline too. A repeated claim with the nonce gets the same answer.

        The time that is left counts from the question, because the reply may be late.
        """
        if self._link.is_closing:
            await trio.sleep_forever()  # The session is about to call `end`.
        self._unwritten = command_id, nonce
        asked = trio.current_time()
        claimed = await commands.claim(self._link.node.store, self._link.lease, command_id, nonce)
        left_ms = claimed.left_ms if isinstance(claimed, commands.Go) else 0
        return claimed, asked + left_ms / 1000

    async def _call(self, command_id: str, go: commands.Go, deadline: float) -> None:
        try:
            request = _read_request(self._link.node, command_id, go)
        except PayloadInvalid as error:
            await self._settle(command_id, "error", error=_error(error.code, str(error)))
            return
        with trio.move_on_at(deadline):
            # A frame that waits for the socket would be written after the deadline.
            await self._link.connection.wait_idle()
        protocol, now = self._protocol, trio.current_time()
        if now >= deadline:
            await self._settle(command_id, "expired")
            return
        if self._link.is_closing:
            self._give_back()
            await trio.sleep_forever()
        stored = self._stored = trio.Event()
        self._link.memory.triggered |= name_triggered(request)
        if isinstance(request, ChangeConfiguration) and names_secret(request.key):
            self._link.secrets.add(request.value.encode())
        frame = protocol.call(request, command_id, now, timeout=deadline - now)
        unwritten, self._unwritten = self._unwritten, None
        call = self._outstanding = protocol.outstanding
        try:
            await self._link.send(frame)
        except ConnectionClosed as closed:
            if not closed.written:
                self._outstanding, self._unwritten = None, unwritten
                self._give_back()
            await trio.sleep_forever()  # The session is about to call `end`.
        self._forget_secret(command_id, go)
        # Wait until the outcome is stored. The command is in the pending list until then, so a list that is
        # read earlier would contain the command again.
        with trio.move_on_at(deadline):
            await stored.wait()
            return
        while (reading := self._link.reading) is not None:
            await reading.wait()  # The thread may read the answer, and then the call must not end here too.
        if self._outstanding is not call:
            await trio.sleep_forever()  # `end` has stored the outcome.
        if protocol.tick(math.nextafter(deadline, math.inf)) is not None:
            await self._settle(command_id, "timeout")

    def _forget_secret(self, command_id: str, go: commands.Go) -> None:
        if go.sealed:
            node, keys = self._link.node, self._link.lease.keys
            node.see_through(_forget_secret, node, keys, command_id)

    def _give_back(self) -> None:
        """Put the command that was claimed and not written back into the queue, in the background.

        The next session of the charge point may be waiting for it already.
        """
        unwritten, self._unwritten = self._unwritten, None
        if unwritten is not None:
            node = self._link.node
            node.see_through(_give_back, node, self._link.lease.keys, *unwritten)

    async def _settle(self, command_id: str, status: Status, *, error: bytes | None = None) -> None:
        await _settle(self._link.node, self._link.lease.keys, command_id, status, error=error)


def _read_request(node: Node, command_id: str, go: commands.Go) -> Message:
    """Return the request of a claimed command. Raises PayloadInvalid."""
    payload = go.payload
    if go.sealed:
        try:
            payload = unseal(node.pepper, command_id, go.sealed)
        except SealBroken as error:
            raise PayloadInvalid("InternalError", str(error)) from None
    return actions.decode_request(go.action, payload)


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
                digest = _hash_password(node, keys, outcome.call.request)
                await _remember(charge_point, outcome, digest)
                # Some charge points report their AuthorizationKey, which must not be in the store.
                shown = bytes(FrameMasker().mask_json(msgspec.Raw(outcome.payload)))
                await _settle(node, keys, command_id, "answered", response=shown)
            case CallRefused():
                error = _describe(outcome)
                await _settle(node, keys, command_id, "error", error=error)
    finally:
        stored.set()


def _describe(refused: CallRefused) -> bytes:
    """Write an error for the record. A charge point may quote a value that it refuses, even a secret."""
    request = refused.call.request
    if isinstance(request, ChangeConfiguration) and names_secret(request.key):
        return _error(refused.code, MASK, b'"***"', unreadable=refused.unreadable)
    return _error(refused.code, refused.description, refused.details, unreadable=refused.unreadable)


def _hash_password(node: Node, keys: ChargePointKeys, request: Message) -> bytes | None:
    """Return the keyed hash of the password that the request sets, or None."""
    if not isinstance(request, ChangeConfiguration) or not configuration.is_password(request.key):
        return None
    with suppress(passwords.BadKey):
        return passwords.digest(node.pepper, keys.member, passwords.read_key(request.value))
    return None


async def _remember(charge_point: ChargePoint, outcome: CallAnswered, digest: bytes | None) -> None:
    """Store the effects of an answer.

    The command is settled after its effects are stored, so an operator who reads the outcome also finds the
    effects.
    """
    remember = OUTCOMES.get(type(outcome.call.request))
    if remember is None:
        return
    answered = Answered(outcome.call.request, outcome.result, outcome.call.id, charge_point, digest)
    try:
        await until_stored(remember, answered)
    except Exception:  # If storing the effects fails because of a defect, the operator still gets the answer.
        log.exception("outcome.store_failed", action=outcome.call.action)


async def _settle(
    node: Node,
    keys: ChargePointKeys,
    command_id: str,
    status: Status,
    *,
    response: bytes | None = None,
    error: bytes | None = None,
    why: Why | None = None,
) -> None:
    """Store the outcome of a command, however long that takes, and wake the API request that waits."""
    await until_stored(
        commands.settle,
        node.store,
        keys,
        command_id,
        status=status,
        response=response,
        error=error,
        why=why,
    )
    node.telemetry.commands[status] += 1


async def _forget_secret(node: Node, keys: ChargePointKeys, command_id: str) -> None:
    await until_stored(commands.forget_secret, node.store, keys, command_id)


async def _give_back(node: Node, keys: ChargePointKeys, command_id: str, nonce: str) -> None:
    await until_stored(commands.give_back, node.store, keys, command_id, nonce)


def _error(code: str, description: str, details: bytes = b"{}", *, unreadable: bool = False) -> bytes:
    error = {"code": code, "description": description, "details": msgspec.Raw(details)}
    return msgspec.json.encode(error | {"unreadable": True} if unreadable else error)
