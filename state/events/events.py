"""What happened at a tenant's charge points, read by merging the streams of its partitions.

Events are appended by the step that changes the fact (`emit` in lua/_prelude.lua). Order holds per charge
point.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from redis.exceptions import ResponseError

from state import keys
from state.events.cursor import Cursor, Position
from state.store import Store

KEPT = 10_000
KEPT_MS = 6 * 3600 * 1000
"""As in lua/_prelude.lua. Who is more than `KEPT` events of a partition behind, or older than `KEPT_MS`, may
have missed some."""
_MARGIN_MS = 60_000
"""How far the clocks of primaries and our estimate may be apart where it is about retention."""
NOTHING: Position = (0, 0)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is unique in the tenant: to drop duplicates by. `data` is JSON: references, never payloads."""

    id: str
    tenant: str
    charge_point: str
    kind: str
    at_ms: int
    data: msgspec.Raw


class EventBatch(NamedTuple):
    """`gap`: events between the cursor asked with and these are lost. `complete`: there was nothing more."""

    events: list[Event]
    cursor: Cursor
    gap: bool
    complete: bool


async def now_cursor(store: Store, tenant: str) -> Cursor:
    """Behind everything that is recorded: exact, as it asks each partition. Raises StoreUnavailable."""
    before = store.server_time_ms()
    replies = await store.pipeline(
        [("XREVRANGE", keys.events(p, tenant), "+", "-", "COUNT", 1) for p in range(keys.PARTITIONS)]
    )
    return Cursor(before, {p: _position(reply[0][0]) for p, reply in enumerate(replies) if reply})


async def read(store: Store, tenant: str, cursor: Cursor, limit: int) -> EventBatch:
    """Up to `limit` events behind the cursor, merged by time, and the cursor behind them.

    Never waits for events. A gap may be told again until its partition was read. Raises StoreUnavailable.
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
        # A stream that was silent for so long is gone, and a new one begins without position.
        oldest = before - 2 * KEPT_MS
        positions = {p: at for p, at in positions.items() if at[0] > oldest}
    # What is lost is told, and then behind us.
    complete_ms = max(before, cursor.complete_ms) if complete or gap else cursor.complete_ms
    events = [_event(tenant, *found) for found in merged[:limit]]
    return EventBatch(events, Cursor(complete_ms, positions), gap, complete)


def place(event: Event) -> tuple[int, Position]:
    """Take an event's id apart: its partition and its position there."""
    partition, ms, number = event.id.split("-")
    return int(partition, 16), (int(ms), int(number))


async def _has_dropped(store: Store, tenant: str, cursor: Cursor, full: Sequence[int]) -> bool:
    """Whether events behind the cursor were dropped before they were read, in these partitions.

    A stream keeps so many events that this needs a look only where a read came back full.
    """
    try:
        replies = await store.pipeline([("XINFO", "STREAM", keys.events(p, tenant)) for p in full])
    except ResponseError as error:
        if "no such key" in str(error):
            return True  # It has gone just now.
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
