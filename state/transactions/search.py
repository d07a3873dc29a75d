"""A search through all transactions of the store, in steps, for what an older release did differently."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from state import keys
from state.keys import ChargePointKeys
from state.store import Store
from state.tenants import tenants
from state.transactions.listing import split_index_name

_AT_ONCE = 200
_TENANTS = 100
_PARTITIONS = 16
"""Partitions that one call searches."""

type Named = tuple[ChargePointKeys, int]
"""A transaction: the keys of its charge point, and its id."""
type Visit = Callable[[Store, Sequence[Named]], Awaitable[None]]


class _Position(msgspec.Struct, frozen=True):
    """How far the search has come. `tenant` is the cursor of the list of tenants, or None at its beginning.

    The partitions before `partition` are searched for the tenants of this page.
    """

    tenant: str | None = None
    partition: int = 0
    over: bool = False


async def search_some(store: Store, note: str, visit: Visit) -> bool:
    """Search some partitions for some tenants, and return whether the whole search is over.

    Each call continues where the last one ended, even if that was in another process. The key `note` has the
    position. `visit` gets up to 200 transactions of one tenant and one partition.
    """
    stored = await store.execute("GET", note)
    at = _Position() if stored is None else msgspec.json.decode(stored, type=_Position)
    if at.over:
        return True
    page = await tenants.list_(store, cursor=at.tenant, limit=_TENANTS)
    partitions = range(at.partition, at.partition + _PARTITIONS)
    places = [(tenant.id, partition) for tenant in page.items for partition in partitions]
    counts = await store.pipeline(
        [("ZCARD", keys.transactions(partition, name)) for name, partition in places]
    )
    for (name, partition), count in zip(places, counts, strict=True):
        if count:
            await _search(store, name, partition, visit)
    if partitions.stop < keys.PARTITIONS:
        after = _Position(at.tenant, partitions.stop)
    else:
        after = _Position(page.next, 0, over=page.next is None)
    await store.step("transactions/note", (note,), (msgspec.json.encode(after),))
    return after.over


async def _search(store: Store, tenant: str, partition: int, visit: Visit) -> None:
    index, after = keys.transactions(partition, tenant), "-"
    while listed := await store.execute("ZRANGE", index, after, "+", "BYLEX", "LIMIT", 0, _AT_ONCE):
        named = [split_index_name(member) for member in listed]
        await visit(store, [(ChargePointKeys(tenant, name), id_) for name, id_ in named])
        after = f"({listed[-1].decode()}"
