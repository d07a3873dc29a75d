"""Figures about all charge points of a tenant, read in one round trip for all partitions.

How many charge points and open transactions there are, and how many began, is exact. The rest comes from the
last examination (index.py).
"""

from collections import Counter
from typing import NamedTuple

from state import keys as key_names
from state.store import Store
from state.transactions import failed_starts
from state.transactions.listing import moment
from state.troubles.index import Counts, read_counts


class Overview(NamedTuple):
    """`examined_ms` is the time at which the last complete examination began, or None."""

    charge_points: int
    open_transactions: int
    begun: int
    starts_failed: int
    counts: Counts
    examined_ms: int | None


async def read(store: Store, tenant: str, since_ms: int, until_ms: int) -> Overview:
    """Count. `begun` has the transactions whose start is from `since_ms` to before `until_ms`."""
    low, high = f"[{moment(since_ms)}", f"({moment(until_ms)}"
    reads: list[tuple[str, ...]] = [("HGET", key_names.TROUBLES_EXAMINED, tenant)]
    for partition in range(key_names.PARTITIONS):
        reads += [
            ("ZCARD", key_names.charge_points(partition, tenant)),
            ("ZCARD", key_names.open_transactions(partition, tenant)),
            ("ZLEXCOUNT", key_names.transactions(partition, tenant), low, high),
            ("GET", key_names.trouble_counts(partition, tenant)),
        ]
    examined_ms, *replies = await store.pipeline(reads)
    registered, running, begun, texts = (replies[first::4] for first in range(4))
    return Overview(
        sum(registered),
        sum(running),
        sum(begun),
        await failed_starts.count(store, tenant, since_ms),
        _add([read_counts(text) for text in texts]),
        None if examined_ms is None else int(examined_ms),
    )


def _add(parts: list[Counts]) -> Counts:
    boot_status, connectors, troubles = Counter[str](), Counter[str](), Counter[str]()
    for one in parts:
        boot_status.update(one.boot_status)
        connectors.update(one.connectors)
        troubles.update(one.troubles)
    return Counts(
        online=sum(one.online for one in parts),
        offline=sum(one.offline for one in parts),
        never_connected=sum(one.never_connected for one in parts),
        boot_status=dict(boot_status),
        connectors=dict(connectors),
        in_trouble=sum(one.in_trouble for one in parts),
        troubles=dict(troubles),
    )
