"""The faults of each charge point. Each fault has a name, a count and the time when it was last seen.

The names of faults come from gateway/ocpp16/faults/table.py. At most 128 names are stored for each charge
point.
"""

from collections.abc import Mapping, Sequence
from itertools import batched
from typing import NamedTuple

from state.keys import ChargePointKeys
from state.replies import read_fields
from state.spells import FAULTS, WRONG_CLOCK
from state.store import Store

NAMES = 128
"""Greatest number of different faults that are stored for a charge point. Further faults are ignored."""
_AT_ONCE = 500
OF_CLOCK = frozenset({"time_before_2015", "time_ahead", "clock_stuck"})
"""Faults that show a wrong clock."""
NOT_SLOPPY = OF_CLOCK | {"flapping", "call_unanswered", "late_answer"}
"""Faults that do not count as sloppiness, because a trouble of their own shows them (state/troubles)."""


class Tally(NamedTuple):
    """How often a fault was seen.

    `last_ms` is the time at which the fault was last seen, in Unix milliseconds.
    """

    times: int
    last_ms: int


class FaultBatch(NamedTuple):
    """Counts of the faults of one charge point, gathered by one gateway.

    A batch that is sent again keeps its `id`.
    """

    keys: ChargePointKeys
    id: str
    tallies: Mapping[str, Tally]


async def count(store: Store, batches: Sequence[FaultBatch]) -> None:
    """Add batches to the stored counts. A batch that is repeated after StoreUnavailable counts once.

    A repeated batch counts twice only if another gateway stored a batch in between. Batches of a charge point
    that is not registered are dropped.
    """
    for some in batched(batches, _AT_ONCE, strict=False):
        await store.steps("charge_points/faults_count", [_call(batch) for batch in some])


async def read(store: Store, tenant: str, charge_point: str) -> dict[str, Tally]:
    """Read all faults of a charge point, the latest first."""
    stored = read_fields(await store.execute("HGETALL", ChargePointKeys(tenant, charge_point).faults))
    stored.pop("", None)
    tallies = {name: Tally(*map(int, text.split())) for name, text in stored.items()}
    return dict(sorted(tallies.items(), key=lambda item: (-item[1].last_ms, item[0])))


async def forget(store: Store, tenant: str, charge_point: str) -> None:
    """Delete the counts of a charge point's faults.

    Gateways may still add faults that they gathered before the deletion.
    """
    keys = ChargePointKeys(tenant, charge_point)
    await store.pipeline([("UNLINK", keys.faults), ("HDEL", keys.record, "faulty", "clock_wrong")])


def _call(batch: FaultBatch) -> tuple[Sequence[str], Sequence[str | int]]:
    counts = [part for name, tally in batch.tallies.items() for part in (name, *tally)]
    weight = sum(tally.times for name, tally in batch.tallies.items() if name not in NOT_SLOPPY)
    of_clock = int(not OF_CLOCK.isdisjoint(batch.tallies))
    spells = (weight, FAULTS.most, FAULTS.leak_ms, of_clock, WRONG_CLOCK.leak_ms)
    return (batch.keys.faults, batch.keys.record), (NAMES, batch.id, *spells, *counts)
