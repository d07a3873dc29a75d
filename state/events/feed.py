"""The feed of events: one poller per tenant and process serves any number of subscribers.

A poller runs while it has a subscriber. A new subscriber reads by itself until it has caught up with the
poller, and then joins it.
"""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import structlog
import trio

from state.errors import StoreUnavailable
from state.events import events
from state.events.cursor import Cursor
from state.events.events import Event
from state.store import Store

_log = structlog.get_logger()

POLL_S = 0.25
IDLE_POLL_S = 1.0
"""Greatest pause between two polls of a tenant without events. Each poll without events doubles the pause."""
_PAGE = 512
_QUEUED_MAX = 2048
"""Greatest number of events and gaps that may wait for one subscriber."""
_BUSY = 4
"""After a slow poll, the poller pauses for this many times the duration of the poll.

So polls never take all the time of the process.
"""
_PAUSE_MAX_S = 2.0
_RETRY_S = 0.5


class Lagging(Exception):  # noqa: N818  It names what happened, as Superseded does.
    """A subscriber did not take its events in time and was dropped.

    The subscriber may subscribe again with its cursor.
    """


class Gap(NamedTuple):
    """Events between the last cursor and the next event may be missing, because they are no longer kept."""


class _Read(NamedTuple):
    """One item of a batch.

    In the last item of the batch, `cursor` is the cursor after the batch. In all other items, `cursor` is
    None.
    """

    what: Event | Gap
    cursor: Cursor | None


class Feed:
    """The pollers of a process.

    The pollers run in the given nursery and end when the nursery is cancelled.
    """

    def __init__(
        self, store: Store, nursery: trio.Nursery, *, poll_s: float = POLL_S, queued_max: int = _QUEUED_MAX
    ) -> None:
        self._store = store
        self._nursery = nursery
        self._poll_s = poll_s
        self._queued_max = queued_max
        self._polled: dict[str, _Poller] = {}

    @asynccontextmanager
    async def subscribe(self, tenant: str, cursor: Cursor | None = None) -> "AsyncIterator[Subscription]":
        """Subscribe to the events after `cursor`, or to all events from now on if `cursor` is None.

        Raises StoreUnavailable.
        """
        if cursor is None:
            cursor = await events.now_cursor(self._store, tenant)
        poller = self._polled.get(tenant)
        if poller is None:
            poller = self._polled[tenant] = _Poller(self._store, tenant, self._poll_s)
            self._nursery.start_soon(self._poll, poller)
        subscription = Subscription(self._store, poller, cursor, self._queued_max)
        poller.listeners += 1
        try:
            yield subscription
        finally:
            poller.listeners -= 1
            poller.joined.discard(subscription)

    @property
    def subscribers(self) -> int:
        return sum(poller.listeners for poller in self._polled.values())

    async def _poll(self, poller: "_Poller") -> None:
        try:
            await poller.run()
        finally:
            del self._polled[poller.tenant]


class Subscription:
    """The events of one subscriber, to iterate over in one task.

    The iteration raises Lagging after the subscriber was dropped. `cursor` is the place at which to resume
    after the events that the subscriber has taken. `cursor` is a new object after each event. A gap that is
    followed by events does not change the cursor, so a client that resumes at the cursor gets the gap again.
    `anext` may be cancelled without losing an event.
    """

    def __init__(self, store: Store, poller: "_Poller", cursor: Cursor, queued_max: int) -> None:
        self.cursor = cursor
        self._store = store
        self._poller = poller
        self._caught_up = cursor
        self._queued_max = queued_max
        self._queue: deque[_Read] = deque()
        self._more = trio.Event()
        self.joined = False
        self._dropped = False

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Event | Gap:
        while not self._queue:
            if self._dropped:
                raise Lagging(
                    f"more than {self._queued_max} events waited for this subscriber; resume at its cursor"
                )
            if self.joined:
                self._more = trio.Event()
                await self._more.wait()
            else:
                await self._catch_up()
        await trio.lowlevel.checkpoint()
        what, cursor = self._queue.popleft()
        if cursor is not None:
            self.cursor = cursor
        elif isinstance(what, Event):
            partition, position = events.place(what)
            self.cursor = Cursor(self.cursor.complete_ms, {**self.cursor.positions, partition: position})
        return what

    async def _catch_up(self) -> None:
        poller = self._poller
        await poller.ready.wait()
        polled = poller.cursor
        try:
            batch = await events.read(self._store, poller.tenant, self._caught_up, _PAGE)
        except StoreUnavailable:
            await _wait_available(self._store)
            return
        self._caught_up = batch.cursor
        self._queue.extend(_with_cursor(batch))
        # If the poller finished no poll during our read, we have read all events that the poller has read. We
        # join the poller without waiting in between, so it offers us every event that it reads from now on.
        if batch.complete and poller.cursor is polled:
            self.joined = True
            poller.joined.add(self)

    def offer(self, batch: list[_Read]) -> bool:
        """Add the events that the poller read.

        False means that this subscriber is too slow and is dropped.
        """
        new = [read for read in batch if not self._has_read(read.what)]
        if len(self._queue) + len(new) > self._queued_max:
            self._dropped = True
        else:
            self._queue.extend(new)
        self._more.set()
        return not self._dropped

    def _has_read(self, what: Event | Gap) -> bool:
        """Return whether this subscriber read the event itself while it caught up, before the poller did."""
        if isinstance(what, Gap):
            return False
        partition, position = events.place(what)
        return self._caught_up.positions.get(partition, events.NOTHING) >= position


class _Poller:
    def __init__(self, store: Store, tenant: str, poll_s: float) -> None:
        self.tenant = tenant
        self.listeners = 0
        self.joined: set[Subscription] = set()
        self.cursor = Cursor(0, {})
        self.ready = trio.Event()
        self._store = store
        self._poll_s = poll_s
        self._pause_s = poll_s

    async def run(self) -> None:
        """Poll until there is no subscriber."""
        while self.listeners:
            began = trio.current_time()
            try:
                complete = await self._poll()
            except StoreUnavailable:
                await _wait_available(self._store)
                continue
            except Exception:  # noqa: BLE001  A poll that fails must not end the process.
                _log.exception("events.poll_failed")
                await trio.sleep(_PAUSE_MAX_S)
                continue
            if complete:
                took = trio.current_time() - began
                await trio.sleep(max(self._pause_s, min(_BUSY * took, _PAUSE_MAX_S)))

    async def _poll(self) -> bool:
        if not self.ready.is_set():
            self.cursor = await events.now_cursor(self._store, self.tenant)
            self.ready.set()
            return True
        batch = await events.read(self._store, self.tenant, self.cursor, _PAGE)
        self.cursor = batch.cursor
        idle = not batch.events and not batch.gap
        self._pause_s = min(2 * self._pause_s, max(self._poll_s, IDLE_POLL_S)) if idle else self._poll_s
        if not idle and self.joined:
            read = _with_cursor(batch)
            self.joined = {subscription for subscription in self.joined if subscription.offer(read)}
        return batch.complete


def _with_cursor(batch: events.EventBatch) -> list[_Read]:
    found: list[Event | Gap] = [Gap(), *batch.events] if batch.gap else list(batch.events)
    return list(map(_Read, found, [*[None] * (len(found) - 1), batch.cursor]))


async def _wait_available(store: Store) -> None:
    """Wait for `_RETRY_S`, and then until the store is available.

    If only a single command failed, the store is still available. The pause then prevents an immediate retry.
    """
    await trio.sleep(_RETRY_S)
    await store.wait_available()
