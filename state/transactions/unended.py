"""Open transactions that a policy of their tenant ends, because their StopTransaction was probably lost."""

from typing import NamedTuple

from state import keys as key_names
from state.keys import ChargePointKeys
from state.store import Store
from state.tenants.tenants import Tenant
from state.transactions.ending import Policy
from state.transactions.listing import split_index_name

SUPERSEDED_MS = 600_000
"""How long csms waits for the stop of a superseded transaction, because a charge point may send it late."""
DAY_MS = 86_400_000


class Due(NamedTuple):
    """A transaction that is to be ended, and why."""

    charge_point: str
    id: int
    policy: Policy


class Looked(NamedTuple):
    """What a look at some open transactions found.

    `looked_at` is how many there were. `after` is where the next look begins, or None after the last one.
    """

    due: list[Due]
    looked_at: int
    after: str | None


async def count_open(store: Store, tenant: str) -> dict[int, int]:
    """Return how many open transactions each partition has, without the partitions that have none."""
    partitions = range(key_names.PARTITIONS)
    counts = await store.pipeline(
        [("ZCARD", key_names.open_transactions(partition, tenant)) for partition in partitions]
    )
    return {partition: count for partition, count in zip(partitions, counts, strict=True) if count}


async def find_due(store: Store, tenant: Tenant, partition: int, after: str, at_most: int) -> Looked:
    """Look at the open transactions that follow `after` in a partition, which is "-" at its beginning.

    The age counts from the receipt of the start, because the clock of a charge point may be wrong.
    """
    index = key_names.open_transactions(partition, tenant.id)
    listed = await store.execute("ZRANGE", index, after, "+", "BYLEX", "LIMIT", 0, at_most)
    named = [split_index_name(member) for member in listed]
    found = await store.pipeline(
        [
            ("HMGET", ChargePointKeys(tenant.id, name).transaction(id_), "superseded_ms", "received_ms")
            for name, id_ in named
        ]
    )
    now_ms, due = store.server_time_ms(), list[Due]()
    for (name, id_), (superseded, received) in zip(named, found, strict=True):
        if tenant.end_superseded and superseded is not None and int(superseded) <= now_ms - SUPERSEDED_MS:
            due.append(Due(name, id_, "superseded"))
        elif _is_too_old(tenant, received, now_ms):
            due.append(Due(name, id_, "age"))
    return Looked(due, len(listed), f"({listed[-1].decode()}" if len(listed) == at_most else None)


def _is_too_old(tenant: Tenant, received: bytes | None, now_ms: int) -> bool:
    days = tenant.end_after_days
    return days is not None and received is not None and int(received) <= now_ms - days * DAY_MS
