"""Starts that failed: a driver wanted to charge, and could not begin.

These are StartTransactions whose answer was not Accepted, and remote starts that ended without the answer
Accepted (commands/settle.lua). A sorted set of each partition has their ids, by the time on the server's
clock at which csms knew it. The set is a count for operators, and nothing depends on it. So a start is noted
after it was answered, and no answer waits for it.
"""

from state import keys as key_names
from state.keys import ChargePointKeys
from state.store import Store


async def note(store: Store, keys: ChargePointKeys, id_: str) -> None:
    """Note a transaction or a command. An id that is noted again counts once."""
    await store.step(
        "transactions/failed_start_note", (keys.failed_starts,), (id_, store.server_time_ms()), of=keys.lease
    )


async def count(store: Store, tenant: str, since_ms: int) -> int:
    """Count the failed starts of a tenant since a time, of the last two days at most."""
    partitions = range(key_names.PARTITIONS)
    reads = [
        ("ZCOUNT", key_names.failed_starts(partition, tenant), since_ms, "+inf") for partition in partitions
    ]
    return sum(await store.pipeline(reads))
