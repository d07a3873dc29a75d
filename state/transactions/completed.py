"""The order in which the transactions of a tenant were completed, merged from the streams of its partitions.

The Lua step that completes a transaction, or changes a completed one, also appends an entry (`complete` in
lua/_completion.lua). The clock of the store gives each entry its position, so no gateway's clock matters, and
a reader with a cursor misses no entry.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Self, cast

from redis.exceptions import ResponseError

from state import keys
from state.events.cursor import Cursor, Position
from state.paging import BadCursor, estimate_share
from state.store import Store

KEPT_MS = 35 * 86_400_000
"""How long an entry stays after it was made, although its transaction has left the store."""
_MARGIN_MS = 60_000
"""Greatest error of our estimate of a server's clock. The check for gaps allows for it."""
_NOTHING: Position = (0, 0)
_PREFIX = "c."
"""Beginning of the text of a cursor, so that a cursor of the events is refused here."""

type Changed = Literal["stop", "end", "stop_after_end", "joined_stop", "contradicting_stop", "found"]
"""What an entry is about. `found` means that an older release completed the transaction."""


class Entry(NamedTuple):
    """One revision of a completed transaction.

    `position` is the entry's place in the stream of `partition`, which begins with the time of the store.
    `received_ms` is when csms received the change. `stopped_ms` is the time of the stop or the end as csms
    understood it.
    """

    partition: int
    position: Position
    charge_point: str
    id: int
    revision: int
    changed: Changed
    received_ms: int
    stopped_ms: int

    @property
    def entered_ms(self) -> int:
        """When the entry was made, by the clock of the store."""
        return self.position[0]


class Batch(NamedTuple):
    """Entries from one read. `complete` means that no further entry comes before the end of the read.

    `gap` means that entries after the former cursor were removed, because they were too old.
    """

    entries: list[Entry]
    after: "Place"
    complete: bool
    gap: bool


class Place:
    """A place in the order: how far the stream of each partition was read."""

    __slots__ = ("_cursor",)

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a text that `encode` wrote. Raises BadCursor."""
        try:
            if text.startswith(_PREFIX):
                return cls(Cursor.parse(text.removeprefix(_PREFIX)))
        except ValueError:
            pass
        raise BadCursor(
            "the cursor is not one that a list of completed transactions returned; omit it to start at the"
            " oldest transaction"
        )

    def encode(self) -> str:
        return _PREFIX + self._cursor.encode()

    def move_past(self, entries: Iterable[Entry]) -> "Place":
        """Return the place after entries that one read returned, the first of them first."""
        passed = {one.partition: one.position for one in entries}
        return Place(Cursor(self.complete_ms, {**self.positions, **passed}))

    @property
    def positions(self) -> Mapping[int, Position]:
        return self._cursor.positions

    @property
    def complete_ms(self) -> int:
        """All entries up to this time were read, by our estimate of the clock of the store."""
        return self._cursor.complete_ms


BEGINNING = Place(Cursor(0, {}))


async def find_end(store: Store, tenant: str) -> Place:
    """Return the place after all entries that there are. Raises StoreUnavailable."""
    before = store.server_time_ms()
    replies = await store.pipeline(
        [("XREVRANGE", keys.completed(p, tenant), "+", "-", "COUNT", 1) for p in range(keys.PARTITIONS)]
    )
    return Place(Cursor(before, {p: _position(reply[0][0]) for p, reply in enumerate(replies) if reply}))


async def read(
    store: Store,
    tenant: str,
    after: Place = BEGINNING,
    *,
    limit: int,
    end: Place | None = None,
    charge_point: str | None = None,
    since_ms: int = 0,
) -> Batch:
    """Return up to `limit` entries after a place and not after `end`, in the order of their times.

    With `charge_point`, only the partition of the charge point is read, which others share. Entries made
    before `since_ms` are passed over. Raises StoreUnavailable.
    """
    before, wanted = store.server_time_ms(), limit + 1
    partitions = range(keys.PARTITIONS) if charge_point is None else [keys.partition_of(tenant, charge_point)]
    streams = [_Stream(tenant, p, after, end, since_ms) for p in partitions]
    found: list[_Found] = []
    count = estimate_share(wanted, len(streams))
    while asked := [one for one in streams if one.may_have_before(found, wanted)]:
        replies = await store.pipeline([one.command(count) for one in asked])
        for one, reply in zip(asked, replies, strict=True):
            found += one.consume(reply, count)
        found.sort()
        count = min(wanted, 4 * count)
    complete = len(found) <= limit
    gap = await _has_gap(store, tenant, after, before)
    complete_ms = after.complete_ms
    if end is None and (complete or gap):
        complete_ms = max(before, complete_ms)
    entries = [_read_entry(one) for one in found[:limit]]
    return Batch(entries, Place(Cursor(complete_ms, after.positions)).move_past(entries), complete, gap)


type _Found = tuple[Position, int, list[bytes]]
"""An entry that was read: its position, its partition and its fields. The first two sort all entries."""


class _Stream:
    """The stream of one partition. Each read continues after the last entry of the previous reply."""

    __slots__ = ("_begin", "_end", "_ended", "_key", "_last", "_partition")

    def __init__(self, tenant: str, partition: int, after: Place, end: Place | None, since_ms: int) -> None:
        self._key, self._partition = keys.completed(partition, tenant), partition
        begin = after.positions.get(partition, _NOTHING)
        self._begin = f"{since_ms}-0" if since_ms > begin[0] else f"({begin[0]}-{begin[1]}"
        self._end, self._ended = "+", False
        if end is not None:
            last = end.positions.get(partition, _NOTHING)
            self._end, self._ended = f"{last[0]}-{last[1]}", last <= begin
        self._last: Position | None = None

    def may_have_before(self, found: Sequence[_Found], wanted: int) -> bool:
        """Return whether an unread entry of this stream may be among the first `wanted` entries of all."""
        if self._ended:
            return False
        if self._last is None or len(found) < wanted:
            return True
        return (self._last, self._partition) < found[wanted - 1][:2]

    def command(self, count: int) -> tuple[str | int, ...]:
        return ("XRANGE", self._key, self._begin, self._end, "COUNT", count)

    def consume(self, reply: list[tuple[bytes, list[bytes]]], count: int) -> list[_Found]:
        found = [(_position(entry), self._partition, fields) for entry, fields in reply]
        self._ended = len(found) < count
        if found:
            self._last = found[-1][0]
            self._begin = f"({self._last[0]}-{self._last[1]}"
        return found


async def _has_gap(store: Store, tenant: str, after: Place, now_ms: int) -> bool:
    """Return whether entries after the place were removed because they were too old."""
    if not 0 < after.complete_ms < now_ms - KEPT_MS + _MARGIN_MS:
        return False
    exist = await store.pipeline([("EXISTS", keys.completed(p, tenant)) for p in range(keys.PARTITIONS)])
    there = [p for p, exists in enumerate(exist) if exists]
    try:
        replies = await store.pipeline([("XINFO", "STREAM", keys.completed(p, tenant)) for p in there])
    except ResponseError as error:
        if "no such key" in str(error):
            return True  # The stream was removed after the first look.
        raise
    return any(
        _position(info[b"max-deleted-entry-id"]) > after.positions.get(p, (after.complete_ms, 0))
        for p, info in zip(there, replies, strict=True)
    )


def _position(entry_id: bytes) -> Position:
    ms, _, number = entry_id.partition(b"-")
    return int(ms), int(number)


def _read_entry(found: _Found) -> Entry:
    position, partition, fields = found
    named = dict(zip(fields[::2], fields[1::2], strict=True))
    charge_point, _, number = named[b"of"].decode().partition("/")
    return Entry(
        partition=partition,
        position=position,
        charge_point=keys.decode(charge_point),
        id=int(number),
        revision=int(named[b"revision"]),
        changed=cast("Changed", named[b"changed"].decode()),
        received_ms=int(named.get(b"received_ms", position[0])),
        stopped_ms=int(named[b"stopped_ms"]),
    )
