"""The sets `held`: for each node and partition, the charge points whose leases the node holds.

Each step that gives or takes a lease changes the set in the same step. So a node, or the gateway that takes
the leases from a dead node, reads one set per partition instead of one lease per charge point.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import batched

from state import keys as key_names
from state.keys import ChargePointKeys
from state.store import Store

AT_ONCE = 500
"""Greatest number of steps in one pipeline.

A pipeline of this size takes this process and the server some milliseconds.
"""


async def list_members(
    store: Store, incarnation: str, partitions: Sequence[int] = range(key_names.PARTITIONS)
) -> list[set[str]]:
    """Return the charge points whose leases a node holds, for each of the partitions."""
    sets = [("SMEMBERS", key_names.held(partition, incarnation)) for partition in partitions]
    return [{member.decode() for member in some} for some in await store.pipeline(sets)]


async def read_holders(store: Store, charge_points: Iterable[ChargePointKeys]) -> list[str]:
    """Return the name of the session that holds each lease, or an empty name."""
    replies = await store.pipeline([("HGET", keys.lease, "holder") for keys in charge_points])
    return [(reply or b"").decode() for reply in replies]


async def reap(store: Store, incarnation: str, members: Sequence[str]) -> int:
    """Mark charge points of a dead node offline, and return how many there were.

    The epochs do not change. If the node was only paused, each session's next step or audit takes its lease
    back.
    """
    reaped = 0
    for some in batched(members, AT_ONCE, strict=False):
        charge_points = [ChargePointKeys(*key_names.split(member)) for member in some]
        calls = [
            ((keys.lease, keys.held(incarnation), keys.events), (incarnation, keys.member, b'"node lost"'))
            for keys in charge_points
        ]
        reaped += sum(word == b"reaped" for [word] in await store.steps("nodes/reap", calls))
    return reaped


async def store_seen(store: Store, incarnation: str, seen_s: Mapping[int, Mapping[str, int]]) -> None:
    """Store when charge points were last seen (Unix seconds), if the node still holds their leases.

    `seen_s` is by partition. All partitions go in one round trip, for which the server writes its file once.
    """
    calls = [
        (
            (key_names.held(partition, incarnation), key_names.seen(partition)),
            [part for pair in some for part in pair],
        )
        for partition, members in seen_s.items()
        for some in batched(members.items(), AT_ONCE, strict=False)
    ]
    await store.steps("nodes/seen", calls)
