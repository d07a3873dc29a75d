"""Commands whose deadline has passed without their session's doing: queued -> expired, sent -> timeout."""

from collections.abc import Iterable

from state import keys
from state.commands import commands, table
from state.keys import ChargePointKeys
from state.store import Store

BATCH = 16
"""Commands of one partition in one pass; the oldest first."""

_OVERDUE = table.text(table.OVERDUE)


async def sweep_overdue(store: Store, partitions: Iterable[int] = range(keys.PARTITIONS)) -> int:
    """Settle overdue commands of these partitions, `BATCH` of each at most; returns how many were settled.

    Two round trips, one if there is nothing to do. Several nodes may sweep the same partition. Whoever waits
    for the command looks at its record at the deadline by itself and is not woken. Raises StoreUnavailable.
    """
    now = store.server_time_ms()
    found = await store.pipeline(
        [
            ("ZRANGE", keys.overdue(partition), "-inf", now, "BYSCORE", "LIMIT", 0, BATCH)
            for partition in partitions
        ]
    )
    calls = []
    for entries in found:
        for entry in entries:
            command_id, _, member = entry.decode().partition(" ")
            of = ChargePointKeys(*keys.split(member))
            calls.append(commands.settle_call(of, command_id, _OVERDUE, when="overdue"))
    replies = await store.steps("commands/settle", calls)
    return sum(reply[0] == b"settled" for reply in replies)
