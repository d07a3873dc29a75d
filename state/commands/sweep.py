"""The sweep ends overdue commands that no session has ended in time.

A queued or waiting command becomes `expired`, and a sent command becomes `timeout`. If the server's clock was
set, the deadlines of all these commands are set again before anything is ended.
"""

from collections.abc import Iterable

from state import keys
from state.commands import anchors, commands, table
from state.keys import ChargePointKeys
from state.store import Store

BATCH = 16
"""Greatest number of waiting commands of one partition that one sweep ends, and of queued and sent ones.

The commands with the oldest deadlines come first.
"""

RENEW_S = 10.0
"""For this time after the server's clock was set, each sweep sets deadlines again.

Another gateway may die in this time, and leave its partitions to this one.
"""

_OVERDUE = table.text(table.OVERDUE)


async def sweep_overdue(store: Store, partitions: Iterable[int] = range(keys.PARTITIONS)) -> int:
    """End overdue commands of each of these partitions, and return how many were ended.

    This takes two round trips, or one if nothing is overdue. Several nodes may sweep the same partition. A
    process that waits for a command is not woken, because that process itself reads the record at the
    deadline. Raises StoreUnavailable.
    """
    partitions = list(partitions)
    if store.clock.seconds_since_step() < RENEW_S:
        await anchors.renew(store, partitions)
    now = store.server_time_ms()
    found = await store.pipeline(
        [
            ("ZRANGE", deadlines(partition), "-inf", now, "BYSCORE", "LIMIT", 0, BATCH)
            for partition in partitions
            for deadlines in (keys.overdue, keys.waiting)
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
