"""The events of a tenant's charge points, read by merging the streams of its partitions.

The Lua step that changes stored data also appends the event (`emit` in lua/_prelude.lua). The events of one
charge point are in order.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

import msgspec
from redis.exceptions import ResponseError

from state import keys
from state.events.cursor import Cursor, Position
from state.store import Store

KEPT = 10_000
KEPT_MS = 6 * 3600 * 1000
"""EVENTS_KEPT and EVENTS_KEPT_MS in lua/_prelude.lua must have the same values as KEPT and KEPT_MS.

A reader that pauses for longer than KEPT_MS may miss events.
"""
_MARGIN_MS = 60_000
"""Greatest error of our estimate of a server's clock. The check for gaps allows for it."""
NOTHING: Position = (0, 0)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event. The `id` of an event is unique in the tenant, so that clients can drop duplicates.

    `data` is JSON with references, never payloads.
    """

    id: str
    tenant: str
    charge_point: str
    kind: str
    at_ms: int
    data: msgspec.Raw


class EventBatch(NamedTuple):
    """Events from one read.

    `gap` means that events before these may be missing, because they are no longer kept. `complete` means
    that the read returned all events.
    """

    events: list[Event]
    cursor: Cursor
    gap: bool
    complete: bool


async def now_cursor(store: Store, tenant: str) -> Cursor:
    """Return the cursor after all events that are recorded.

    The cursor is exact, because each partition is read. Raises StoreUnavailable.
    """
    before = store.server_time_ms()
    replies = await store.pipeline(
        [("XREVRANGE", keys.events(p, tenant), "+", "-", "COUNT", 1) for p in range(keys.PARTITIONS)]
    )
    return Cursor(before, {p: _position(reply[0][0]) for p, reply in enumerate(replies) if reply})


async def read(store: Store, tenant: str, cursor: Cursor, limit: int) -> EventBatch:
    """Return up to `limit` events after the cursor, merged by time, and the cursor that comes after them.

    This function never waits for events. A gap may be reported again until events that come after the gap
    were read. Raises StoreUnavailable.
    """
    before = store.server_time_ms()
    positions = dict(cursor.positions)
    of_each = max(8, -(-2 * limit // keys.PARTITIONS))
    behind = [_after(positions.get(p, NOTHING)) for p in range(keys.PARTITIONS)]
    replies = await store.pipeline(
        [("XRANGE", keys.events(p, tenant), begin, "+", "COUNT", of_each) for p, begin in enumerate(behind)]
    )
    full = [p for p, reply in enumerate(replies) if len(reply) == of_each]
    gap = cursor.complete_ms < before - KEPT_MS + _MARGIN_MS or await _has_dropped(
        store, tenant, cursor, full
    )
    merged = sorted(
        ((_position(entry[0]), p, entry[1]) for p, reply in enumerate(replies) for entry in reply),
        key=lambda found: found[:2],
    )
    positions |= {partition: position for position, partition, _ in merged[:limit]}
    complete = not full and len(merged) <= limit
    if complete:
        # A stream that had no event since `oldest` has expired, so its position is no longer needed.
        oldest = before - 2 * KEPT_MS
        positions = {p: at for p, at in positions.items() if at[0] > oldest}
    # After a gap, all events up to the time of this read count as read, so that a reader with an old cursor
    # gets the gap only once.
    complete_ms = max(before, cursor.complete_ms) if complete or gap else cursor.complete_ms
    events = [_event(tenant, *found) for found in merged[:limit]]
    return EventBatch(events, Cursor(complete_ms, positions), gap, complete)


async def read_until(
    store: Store, tenant: str, after: Cursor, until: Cursor, limit: int
) -> AsyncGenerator[EventBatch]:
    """Yield the events after a cursor, until all those before `until` were read. Later events may come too.

    There is at least one batch, which may be empty. Raises StoreUnavailable.
    """
    while True:
        batch = await read(store, tenant, after, limit)
        yield batch
        after = batch.cursor
        reached = all(after.positions.get(p, NOTHING) >= position for p, position in until.positions.items())
        if batch.complete or reached:
            return


def place(event: Event) -> tuple[int, Position]:
    """Return the partition and the position that an event's id holds."""
    partition, ms, number = event.id.split("-")
    return int(partition, 16), (int(ms), int(number))


async def _has_dropped(store: Store, tenant: str, cursor: Cursor, full: Sequence[int]) -> bool:
    """Return whether one of these partitions dropped events that come after the cursor and were never read.

    This check is needed only for a partition whose read returned the greatest number of events. A stream that
    dropped events still has far more events than one read returns.
    """
    try:
        replies = await store.pipeline([("XINFO", "STREAM", keys.events(p, tenant)) for p in full])
    except ResponseError as error:
        if "no such key" in str(error):
            return True  # The stream expired after the read.
        raise
    for partition, info in zip(full, replies, strict=True):
        first = info[b"first-entry"]
        dropped = info[b"entries-added"] > info[b"length"]
        if dropped and (first is None or _position(first[0]) > cursor.positions.get(partition, NOTHING)):
            return True
    return False


def _after(position: Position) -> str:
    return f"({position[0]}-{position[1]}"


def _position(entry_id: bytes) -> Position:
    ms, _, number = entry_id.partition(b"-")
    return int(ms), int(number)


def _event(tenant: str, position: Position, partition: int, fields: list[bytes]) -> Event:
    named = dict(zip(fields[::2], fields[1::2], strict=True))
    return Event(
        id=f"{partition:02x}-{position[0]}-{position[1]}",
        tenant=tenant,
        charge_point=keys.split(named[b"of"].decode())[1],
        kind=named[b"kind"].decode(),
        at_ms=position[0],
        data=msgspec.Raw(named[b"data"]),
    )
