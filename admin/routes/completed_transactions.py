"""Completed transactions in the order of completion, each from the store or from the archive."""

from collections.abc import AsyncGenerator, Sequence
from typing import Literal, NamedTuple

from admin.routes.archived_transactions import MOST, find_archived, find_elsewhere
from admin.services import Services
from state.tenants.id_tags import fold
from state.transactions import completed, listing
from state.transactions.completed import Batch, Entry, Place
from state.transactions.listing import Transaction

_SCANNED = 500
"""Entries that are read at once if most of them may be left out before their transactions are read."""
_READ = 500
"""Transactions that are read for a page if a filter looks at them."""
_SOME = 100
"""So many of them are read at once, even if the page has room for fewer items."""
_AT_ONCE = 250
"""Transactions that a file reads at once."""

type Moment = Literal["stop", "receipt"]


class Completed(NamedTuple):
    """An entry of the order with its transaction as it is now.

    `transaction` is None if it is in an archive that this process cannot read.
    """

    entry: Entry
    transaction: Transaction | None
    archived: bool


class CompletedPage(NamedTuple):
    """`more` means that further entries come after the place `after`. `gap` means that some are missing."""

    items: list[Completed]
    after: Place
    more: bool
    gap: bool


class Wanted(NamedTuple):
    """What a list has. `latest` leaves out the entries that a later entry of the same transaction replaces.

    `since_ms` and `until_ms` are times of the stop, or of its receipt.
    """

    charge_point: str | None = None
    id_tag: str | None = None
    by: Moment = "receipt"
    since_ms: int | None = None
    until_ms: int | None = None
    latest: bool = False

    @property
    def picks(self) -> bool:
        """Whether entries can be left out before their transactions are read."""
        return not (self.charge_point is None and self.since_ms is None and self.until_ms is None)

    @property
    def begin_ms(self) -> int:
        """No entry that was made before this time is wanted, because nothing is received after its entry."""
        return self.since_ms if self.by == "receipt" and self.since_ms is not None else 0

    def has_entry(self, entry: Entry) -> bool:
        at_ms = entry.received_ms if self.by == "receipt" else entry.stopped_ms
        return (
            self.charge_point in {None, entry.charge_point}
            and (self.since_ms is None or at_ms >= self.since_ms)
            and (self.until_ms is None or at_ms < self.until_ms)
        )

    def has(self, one: Completed) -> bool:
        if one.transaction is None:
            return self.id_tag is None
        return (self.id_tag is None or fold(one.transaction.id_tag) == fold(self.id_tag)) and not (
            self.latest and one.transaction.revision > one.entry.revision
        )


async def read_page(
    services: Services, tenant: str, after: Place, wanted: Wanted, *, limit: int
) -> CompletedPage:
    """Read a page. It may have fewer items than `limit` although more follow. Raises Problem (503)."""
    looks = wanted.id_tag is not None
    most = max(limit, _READ) if looks else limit
    batch = await _read(services, tenant, after, wanted, limit=max(most, _SCANNED if wanted.picks else 0))
    entries = [one for one in batch.entries if wanted.has_entry(one)]
    found: list[Completed] = []
    read = archived = 0
    while read < min(most, len(entries)) and len(found) < limit and archived < MOST:
        some = entries[read : min(most, read + max(limit - len(found), _SOME if looks else 1))]
        loaded = await _load(services, tenant, some, most_archived=MOST - archived)
        read += loaded.read
        archived += loaded.archived
        found += [one for one in loaded.found if wanted.has(one)]
    last = entries[read - 1] if read else None
    if len(found) > limit:
        del found[limit:]
        last = found[-1].entry
    if last is None or last == entries[-1]:
        return CompletedPage(found, batch.after, not batch.complete, batch.gap)
    passed = batch.entries[: batch.entries.index(last) + 1]
    return CompletedPage(found, after.move_past(passed), more=True, gap=batch.gap)


async def read_all(
    services: Services, tenant: str, after: Place, end: Place, wanted: Wanted
) -> AsyncGenerator[list[Completed]]:
    """Read all entries after a place and not after `end`. Raises Problem (503) and StoreUnavailable."""
    while True:
        batch = await _read(services, tenant, after, wanted, limit=_SCANNED, end=end)
        entries = [one for one in batch.entries if wanted.has_entry(one)]
        for begin in range(0, len(entries), _AT_ONCE):
            some = entries[begin : begin + _AT_ONCE]
            loaded = await _load(services, tenant, some, most_archived=_AT_ONCE)
            yield [one for one in loaded.found if wanted.has(one)]
        if batch.complete:
            return
        after = batch.after


async def _read(
    services: Services, tenant: str, after: Place, wanted: Wanted, *, limit: int, end: Place | None = None
) -> Batch:
    return await completed.read(
        services.store,
        tenant,
        after,
        limit=limit,
        end=end,
        charge_point=wanted.charge_point,
        since_ms=wanted.begin_ms,
    )


class _Loaded(NamedTuple):
    """The first `read` entries with their transactions, of which `archived` were looked up in the archive."""

    found: list[Completed]
    read: int
    archived: int


async def _load(services: Services, tenant: str, entries: Sequence[Entry], *, most_archived: int) -> _Loaded:
    """Read the transactions of entries. Those that were destroyed are left out.

    Ends before the entry with which more than `most_archived` would have to be read from the archive.
    """
    names = [(one.charge_point, one.id) for one in entries]
    stored = dict(zip(names, await listing.load(services.store, tenant, names), strict=True))
    missing = [name for name, transaction in stored.items() if transaction is None]
    if services.archive is not None and len(missing) > most_archived:
        names = names[: names.index(missing[most_archived])]
        del missing[most_archived:]
    archived = dict(zip(missing, await find_archived(services, tenant, missing), strict=True))
    elsewhere = missing and await find_elsewhere(services) is not None
    found = [
        Completed(entry, stored[name] or archived[name], archived=stored[name] is None)
        for entry, name in zip(entries, names, strict=False)
    ]
    kept = [one for one in found if one.transaction is not None or elsewhere]
    return _Loaded(kept, len(names), 0 if services.archive is None else len(missing))
