"""Finished transactions that are in no queue, because a gateway of an older release stored their stop or end.

They are found once, after `csms store upgrade`: no gateway of an older release runs from then on.
"""

from collections.abc import Sequence

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


class _Position(msgspec.Struct, frozen=True):
    """How far the search has come. `tenant` is the cursor of the list of tenants, or None at its beginning.

    The partitions before `partition` are searched for the tenants of this page.
    """

    tenant: str | None = None
    partition: int = 0
    over: bool = False


async def queue_some(store: Store) -> bool:
    """Search some partitions for some tenants, and return whether the whole search is over.

    Each call continues where the last one ended, even if that was in another process.
    """
    stored = await store.execute("GET", keys.UNQUEUED)
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
            await _queue(store, name, partition)
    if partitions.stop < keys.PARTITIONS:
        after = _Position(at.tenant, partitions.stop)
    else:
        after = _Position(page.next, 0, over=page.next is None)
    await store.step("transactions/note", (keys.UNQUEUED,), (msgspec.json.encode(after),))
    return after.over


async def _queue(store: Store, tenant: str, partition: int) -> None:
    index, after = keys.transactions(partition, tenant), "-"
    while listed := await store.execute("ZRANGE", index, after, "+", "BYLEX", "LIMIT", 0, _AT_ONCE):
        named = [split_index_name(member) for member in listed]
        found = await _find(store, [(ChargePointKeys(tenant, name), id_) for name, id_ in named])
        if found:
            await store.step("transactions/unqueued", (keys.unpacked(partition),), found)
        after = f"({listed[-1].decode()}"


async def _find(store: Store, named: Sequence[tuple[ChargePointKeys, int]]) -> list[str | int]:
    """Return score and name of each transaction that is finished and not packed."""
    times = [("HMGET", of.transaction(id_), "stop_received_ms", "end_received_ms") for of, id_ in named]
    packed = [("EXISTS", of.packed(id_)) for of, id_ in named]
    replies = await store.pipeline([*times, *packed])
    found: list[str | int] = []
    for (of, id_), (stopped, ended), done in zip(
        named, replies[: len(named)], replies[len(named) :], strict=True
    ):
        if (stopped or ended) and not done:
            found += (int(stopped or ended), of.queued(id_))
    return found
