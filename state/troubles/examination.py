"""The examination of all charge points of a tenant, partition by partition."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from state import keys as key_names
from state.keys import ChargePointKeys
from state.store import Store
from state.troubles import facts
from state.troubles.facts import Facts
from state.troubles.index import Found, write

_AT_ONCE = 50
"""Charge points that are read at once. This takes the process and the server a few milliseconds."""


@dataclass(slots=True)
class Figures:
    """Open transactions of all charge points that were examined, and when the oldest of them began."""

    open_transactions: int = 0
    oldest_ms: int | None = None

    def add(self, known: Facts) -> None:
        self.open_transactions += len(known.open)
        began = [one.received_ms for one in known.open]
        self.oldest_ms = min(began if self.oldest_ms is None else [*began, self.oldest_ms], default=None)


async def examine(
    store: Store, tenant: str, rest: Callable[[int], Awaitable[bool]], figures: Figures
) -> bool:
    """Examine all charge points of a tenant, store what is found, and return whether all were examined.

    After each few charge points, `rest` is called with their number. It may wait, and it returns whether to
    go on. What counts for all tenants together is added to `figures`.
    """
    began_ms = store.server_time_ms()
    for partition in await _list_partitions(store, tenant):
        found, after = Found(), "-"
        while ids := await _list_ids(store, tenant, partition, after):
            keys = [ChargePointKeys(tenant, id_.decode()) for id_ in ids]
            known, now_ms = await facts.read(store, keys), store.server_time_ms()
            for one, of_one in zip(keys, known, strict=True):
                if of_one is not None:
                    found.add(one.id, of_one, now_ms)
                    figures.add(of_one)
            if not await rest(len(ids)):
                return False
            after = f"({keys[-1].id}"
        await write(store, tenant, partition, found)
    await store.execute("HSET", key_names.TROUBLES_EXAMINED, tenant, began_ms)
    return True


async def _list_partitions(store: Store, tenant: str) -> list[int]:
    """Return the partitions in which the tenant has charge points, or had some at the last examination."""
    partitions = range(key_names.PARTITIONS)
    sizes = await store.pipeline([("ZCARD", key_names.charge_points(one, tenant)) for one in partitions])
    counted = await store.pipeline([("EXISTS", key_names.trouble_counts(one, tenant)) for one in partitions])
    return [one for one, size, known in zip(partitions, sizes, counted, strict=True) if size or known]


async def _list_ids(store: Store, tenant: str, partition: int, after: str) -> list[bytes]:
    index = key_names.charge_points(partition, tenant)
    ids: list[bytes] = await store.execute("ZRANGE", index, after, "+", "BYLEX", "LIMIT", 0, _AT_ONCE)
    return ids
