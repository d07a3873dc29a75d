"""Upkeep of the order of completion: enter what older releases completed, and remove what is too old."""

from collections.abc import Sequence

from state import keys
from state.keys import ChargePointKeys
from state.store import Store
from state.transactions.completed import KEPT_MS
from state.transactions.search import Named, search_some

_AT_ONCE = 200


async def enter_some(store: Store) -> bool:
    """Enter some transactions that older releases completed, and return whether the whole search is over.

    What a gateway of an older release completes after the search is entered when it is packed.
    """
    return await search_some(store, keys.ENTERED, _enter)


async def _enter(store: Store, named: Sequence[Named]) -> None:
    [of, _] = named[0]
    found = await store.pipeline(
        [
            ("HMGET", one.transaction(id_), "revision", "stop_received_ms", "end_received_ms")
            for one, id_ in named
        ]
    )
    missing = [
        one for one, (revision, *times) in zip(named, found, strict=True) if not revision and any(times)
    ]
    if missing:
        await store.step(
            "transactions/enter",
            (of.completed, *(one.transaction(id_) for one, id_ in missing)),
            [one.queued(id_) for one, id_ in missing],
        )


async def remove_old(store: Store, tenant: str, partition: int) -> int:
    """Remove entries that are too old and whose transactions have left the store. Returns how many.

    The entries of transactions that stay longer in the store go together with them (forget.lua).
    """
    stream, before_ms, removed = keys.completed(partition, tenant), store.server_time_ms() - KEPT_MS, 0
    while entries := await store.execute("XRANGE", stream, "-", f"({before_ms}-0", "COUNT", _AT_ONCE):
        exist = await store.pipeline([("EXISTS", _transaction(tenant, fields)) for _, fields in entries])
        gone = [entry for (entry, _), exists in zip(entries, exist, strict=True) if not exists]
        if not gone:
            break
        await store.step("transactions/remove_entries", (stream,), (before_ms, *gone))
        removed += len(gone)
    return removed


def _transaction(tenant: str, fields: Sequence[bytes]) -> str:
    charge_point, _, number = fields[1].decode().partition("/")
    return ChargePointKeys(tenant, keys.decode(charge_point)).transaction(number)
