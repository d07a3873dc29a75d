"""The work of one process on one batch, from its claim to its end.

One task sends at the pace. Another one reads each second what became of the commands, stores how far the
batch has come, and prolongs the lease. Nothing is sent beyond what was reserved by that, or after the lease
may have ended. So another process that goes on knows which commands may have been sent. It sends each of them
again under the same Idempotency-Key, which sends none a second time.

Commands are sent without waiting for their answers, so slow charge points do not hold up others. Neither do
those that are offline, if the commands wait for them: such commands are not in flight, and their statuses are
read in turn. If the store is away, the work waits and goes on.
"""

from collections import deque
from collections.abc import Sequence
from itertools import batched, islice
from math import ceil

import structlog
import trio

from admin.batches import outcomes
from admin.batches.events import event_of_end
from admin.batches.outcomes import judge
from admin.batches.pace import Pace
from admin.batches.progress import Progress
from admin.batches.sending import command_id, send_item
from admin.services import Services
from gateway.ocpp16 import actions
from gateway.ocpp16.messages.types import Message
from state import commands
from state.batches import batches, working
from state.batches.batches import LEASE_MS, Batch
from state.batches.working import Claimed
from state.commands import sealing
from state.commands.table import WAITING
from state.errors import StateError, StoreUnavailable
from state.keys import ChargePointKeys

TURN_S = 1.0
IN_FLIGHT_MAX = 256
"""Greatest number of commands of a batch that may wait for answers at the same time."""
RESERVED_S = 2.0
"""So many seconds of sending are reserved each time the progress is stored."""
LEASE_S = LEASE_MS / 1000 - 2.0
"""Nothing is sent if the lease was prolonged longer ago than this."""
OVERDUE_S = 5.0
"""So long after its deadline, this process itself ends a command that no gateway has ended."""
_PAUSE_S = 0.5
_RELEASE_S = 0.5
GATHERING_S = 2.0
"""A turn cancels, and gathers outcomes, for about so long at most each. The next turn goes on.

In between, the lease is prolonged. Very many commands may have ended while no process worked on the batch.
"""
_READ_AT_ONCE = 1_000
_RECORDS_AT_ONCE = 100
_CANCELLED_AT_ONCE = 250

_log = structlog.get_logger("csms.admin")


class Work:
    """`claimed_at` is the time before the batch was claimed."""

    def __init__(self, services: Services, claimed: Claimed, claimed_at: float) -> None:
        self._services, self._store = services, services.store
        self._runner = services.inbox.incarnation
        self._batch, self._idle_ms = claimed
        self._request = _read_request(self._batch, services.pepper)
        self._pace = Pace(self._batch.per_second)
        self._progress = Progress(services.store, self._batch, self._runner)
        self._again: deque[int] = deque()
        """Positions of items that may have been sent, although the store has no command of them."""
        self._waiting: dict[int, float] = {}
        """Positions of items whose commands wait for answers, and when a gateway should have ended each."""
        self._for_connection: deque[int] = deque()
        """Positions of items whose commands wait for their charge points. Each turn reads the first ones."""
        self._sending = 0
        self._good_until = claimed_at + LEASE_S
        self._changed = trio.Event()

    async def run(self) -> None:
        """Work until the batch has ended, or another process has it. Raises StateError."""
        has_ended = False
        try:
            await self._recover()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send_all, nursery)
                await self._turn_until_ended()
                has_ended = True
                nursery.cancel_scope.cancel()
        finally:
            if not has_ended:
                await self._release()

    async def _recover(self) -> None:
        """Find out what became of the items that an earlier process may have sent."""
        await self._look_up(await self._progress.read_open())
        self._idle_ms = 0

    async def _look_up(self, positions: Sequence[int]) -> None:
        """Wait for the commands of these items if they were recorded, and otherwise send them again.

        If the batch was cancelled, or the store may have forgotten the commands, they are not sent again.
        """
        for some in batched(positions, _READ_AT_ONCE, strict=False):
            ids = [self._command_of(position) for position in some]
            for position, status in zip(some, await commands.read_statuses(self._store, ids), strict=True):
                if status == "waiting":
                    self._for_connection.append(position)
                elif status is not None:
                    self._wait_for(position)
                elif self._idle_ms >= commands.KEPT_MS:
                    self._progress.settle(position, outcomes.FORGOTTEN)
                elif self._progress.phase == "cancelling":
                    self._progress.settle(position, outcomes.CANCELLED)
                else:
                    self._again.append(position)

    # --- Sending ---

    async def _send_all(self, nursery: trio.Nursery) -> None:
        while self._has_more():
            await trio.sleep_until(self._pace.reserve(trio.current_time()))
            position = await self._take()
            if position is not None:
                self._sending += 1
                nursery.start_soon(self._send, position)

    def _has_more(self) -> bool:
        progress = self._progress
        return progress.phase == "running" and bool(self._again or progress.next < self._batch.total)

    async def _take(self) -> int | None:
        """Wait until an item may be sent, and return its position. None means that none is left."""
        while self._has_more():
            if not self._may_send():
                await self._wait_changed()
            elif self._again:
                return self._again.popleft()
            elif self._progress.has_read_next():
                return self._progress.begin_next()
            else:
                await self._read_next()
        return None

    async def _read_next(self) -> None:
        try:
            await self._progress.read_next()
        except StoreUnavailable:
            await trio.sleep(_PAUSE_S)

    def _may_send(self) -> bool:
        has_room = self._sending + len(self._waiting) < IN_FLIGHT_MAX
        is_reserved = bool(self._again) or self._progress.next < self._progress.reserved
        return has_room and is_reserved and trio.current_time() < self._good_until

    async def _send(self, position: int) -> None:
        """Send one item. While the store is away, try again."""
        try:
            while self._progress.phase == "running":
                if trio.current_time() < self._good_until and await self._try(position):
                    return
                await trio.sleep(_PAUSE_S)
            self._again.append(position)  # The next turn finds out whether the command was recorded.
        finally:
            self._sending -= 1

    async def _try(self, position: int) -> bool:
        name = self._progress.name_of(position)
        if self._request is None:
            self._progress.settle(position, outcomes.FAILED)
            return True
        try:
            result = await send_item(self._services, self._batch, self._request, name)
        except StoreUnavailable:
            return False
        except Exception:  # noqa: BLE001  One charge point must not end the batch.
            _log.exception("batch.item_failed", batch=self._batch.id, charge_point=name)
            result = outcomes.FAILED
        if result is not None:
            self._progress.settle(position, result)
        elif self._batch.when == "online":
            self._for_connection.append(position)
        else:
            self._wait_for(position)
        return True

    def _wait_for(self, position: int) -> None:
        self._waiting[position] = trio.current_time() + self._batch.timeout_s + OVERDUE_S

    def _place_of(self, position: int) -> tuple[ChargePointKeys, str]:
        name = self._progress.name_of(position)
        return ChargePointKeys(self._batch.tenant, name), self._command_of(position)

    def _command_of(self, position: int) -> str:
        return command_id(self._batch, self._progress.name_of(position))

    # --- Turns ---

    async def _turn_until_ended(self) -> None:
        while True:
            if await self._turn():
                return
            await trio.sleep(TURN_S)

    async def _turn(self) -> bool:
        """Gather outcomes and store the progress. Return whether this process has no more to do."""
        try:
            await self._gather()
            in_flight = self._again or self._sending or self._waiting or self._for_connection
            is_done = not (self._has_more() or in_flight)
            if not await self._advance():
                _log.info("batch.lost", tenant=self._batch.tenant, batch=self._batch.id)
                return True
            return is_done and await self._finish()
        except StoreUnavailable:
            return False
        finally:
            self._announce()

    async def _gather(self) -> None:
        """Read what became of the commands."""
        while self._progress.phase == "cancelling" and self._again:
            await self._look_up(again := list(islice(self._again, _READ_AT_ONCE)))
            for _ in again:
                self._again.popleft()
        if self._progress.phase == "cancelling":
            await self._cancel_waiting()
        else:
            await self._gather_connected(list(islice(self._for_connection, _READ_AT_ONCE)))
        until = trio.current_time() + GATHERING_S
        for part in batched(list(self._waiting), _READ_AT_ONCE, strict=False):
            await self._gather_ended(part)
            if trio.current_time() >= until:
                break

    async def _cancel_waiting(self) -> None:
        """Cancel the commands that wait for their charge points."""
        until = trio.current_time() + GATHERING_S
        while self._for_connection:
            some = list(islice(self._for_connection, _CANCELLED_AT_ONCE))
            await commands.cancel(self._store, [self._place_of(position) for position in some])
            await self._gather_connected(some)
            if trio.current_time() >= until:
                break

    async def _gather_ended(self, some: Sequence[int]) -> None:
        """Find commands that have ended, and end those that no gateway has ended."""
        statuses = await commands.read_statuses(
            self._store, [self._command_of(position) for position in some]
        )
        ended = []
        for position, status in zip(some, statuses, strict=True):
            if status not in WAITING:
                ended.append(position)
            elif trio.current_time() > self._waiting[position]:
                await commands.end_overdue(self._store, *self._place_of(position))
        for part in batched(ended, _RECORDS_AT_ONCE, strict=False):
            await self._settle(part)

    async def _gather_connected(self, some: Sequence[int]) -> None:
        """Find those of the first commands that have left their wait for the charge point."""
        statuses = await commands.read_statuses(
            self._store, [self._command_of(position) for position in some]
        )
        for position, status in zip(some, statuses, strict=True):
            self._for_connection.popleft()
            if status == "waiting":
                self._for_connection.append(position)
            else:
                self._wait_for(position)

    async def _settle(self, positions: Sequence[int]) -> None:
        ids = [self._command_of(position) for position in positions]
        found = await commands.read_all(self._store, self._batch.tenant, ids)
        for position, command in zip(positions, found, strict=True):
            result = outcomes.FORGOTTEN if command is None else judge(command)
            if result is not None:
                del self._waiting[position]
                self._progress.settle(position, result)

    async def _advance(self) -> bool:
        """Store the progress and prolong the lease. Return False if another process has the batch."""
        asked, progress = trio.current_time(), self._progress
        more = ceil(self._batch.per_second * RESERVED_S) if progress.phase == "running" else 0
        word = await progress.store(min(self._batch.total, progress.next + more))
        self._good_until = asked + LEASE_S
        return word != "lost"

    async def _finish(self) -> bool:
        """Record the end of the batch, unless an operator has cancelled it meanwhile."""
        batch, counts = self._batch, self._progress.counts
        now = await batches.get(self._store, batch.tenant, batch.id)
        if now is None:
            return True
        event = event_of_end(now, counts)
        ended = await working.finish(self._store, now, self._runner, self._progress.phase, event)
        if ended in {"finished", "cancelled"}:
            _log.info("batch.ended", tenant=batch.tenant, batch=batch.id, outcome=ended, sent=counts.ended)
        return ended != "again"

    async def _release(self) -> None:
        """Store the progress, and let another process go on at once."""
        with trio.move_on_after(_RELEASE_S, shield=True):
            try:
                await self._progress.store(self._progress.next, release=True)
            except StateError as error:
                # The lease ends by itself.
                _log.info("batch.release_failed", batch=self._batch.id, error=str(error))

    def _announce(self) -> None:
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def _wait_changed(self) -> None:
        with trio.move_on_after(TURN_S):
            await self._changed.wait()


def _read_request(batch: Batch, pepper: bytes) -> Message | None:
    """Return the OCPP request, or None if this release or this pepper cannot read it."""
    try:
        return _decode_request(batch, pepper)
    except Exception:  # noqa: BLE001  The batch must still end, and give back the place that it takes.
        _log.exception("batch.unreadable", tenant=batch.tenant, batch=batch.id)
        return None


def _decode_request(batch: Batch, pepper: bytes) -> Message:
    payload = bytes(batch.payload)
    if batch.sealed is not None:
        payload = sealing.unseal(pepper, batch.id, batch.sealed.encode())
    return actions.decode_request(batch.action, payload)
