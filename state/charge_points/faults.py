"""How often a charge point did what wrong: a count and the last time for each fault's name.

The names are the gateway's (gateway/ocpp16/faults/table.py); at most 128 are kept of a charge point.
"""

from collections.abc import Mapping, Sequence
from itertools import batched
from typing import NamedTuple

from state.keys import ChargePointKeys
from state.replies import read_fields
from state.store import Store

NAMES = 128
"""Of a charge point; others than the first are not kept."""
_AT_ONCE = 500


class Tally(NamedTuple):
    """`last_ms`: Unix milliseconds."""

    times: int
    last_ms: int


class FaultBatch(NamedTuple):
    """What a gateway gathered of a charge point; `id` tells its repeat from the next one."""

    keys: ChargePointKeys
    id: str
    tallies: Mapping[str, Tally]


async def count(store: Store, batches: Sequence[FaultBatch]) -> None:
    """Add what was gathered. A batch repeated after StoreUnavailable counts once.

    Only another gateway's batch in between could make it count twice. What is of a charge point that was
    deleted meanwhile is dropped.
    """
    for some in batched(batches, _AT_ONCE, strict=False):
        await store.steps("charge_points/faults_count", [_call(batch) for batch in some])


async def read(store: Store, tenant: str, charge_point: str) -> dict[str, Tally]:
    """Read all of a charge point, the latest first."""
    stored = read_fields(await store.execute("HGETALL", ChargePointKeys(tenant, charge_point).faults))
    stored.pop("", None)
    tallies = {name: Tally(*map(int, text.split())) for name, text in stored.items()}
    return dict(sorted(tallies.items(), key=lambda item: (-item[1].last_ms, item[0])))


async def forget(store: Store, tenant: str, charge_point: str) -> None:
    """Begin anew. What gateways have gathered and not yet written comes afterwards."""
    await store.execute("UNLINK", ChargePointKeys(tenant, charge_point).faults)


def _call(batch: FaultBatch) -> tuple[Sequence[str], Sequence[str | int]]:
    counts = [part for name, tally in batch.tallies.items() for part in (name, *tally)]
    return (batch.keys.faults, batch.keys.record), (NAMES, batch.id, *counts)
