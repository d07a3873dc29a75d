"""Finished transactions that are due for the archive, for the tests of archiving."""

from itertools import count

from state import keys
from state.keys import ChargePointKeys
from state.store import Store
from state.transactions import meter_values, start, stop
from tests.support.transactions import ANSWER, a_start, a_stop, claimed

DAY_MS = 86_400_000
STOPPED_MS = 1_767_229_201_000
_METERS = count()
"""A start with the same reading would be a repeated start."""


async def finish(
    store: Store,
    name: str = "CP.1",
    *payloads: bytes,
    tenant: str = "demo",
    received_ms: int = STOPPED_MS,
    queued: bool = True,
) -> int:
    """Make a transaction whose stop was received at a time, and put it into the queue of packed ones."""
    lease = await claimed(store, name, tenant=tenant)
    outcome = await start(store, lease, a_start(meter_start=next(_METERS)), ANSWER)
    for number, payload in enumerate(payloads):
        await meter_values.append(
            store,
            lease,
            connector_id=1,
            transaction_id=str(outcome.id),
            payload=payload,
            received_ms=received_ms - len(payloads) + number,
        )
    await stop(store, lease, a_stop(outcome.id, received_ms=received_ms), ANSWER)
    await store.execute("ZREM", keys.unpacked(lease.keys.partition), lease.keys.queued(outcome.id))
    if queued:
        await queue(store, lease.keys, outcome.id, received_ms)
    return outcome.id


async def queue(store: Store, of: ChargePointKeys, number: int, place: int) -> None:
    """Put a transaction into the queue of packed ones that are due for the archive."""
    await store.execute("ZADD", keys.unarchived(of.partition), place, of.queued(number))
