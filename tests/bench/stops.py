"""Measure what a stop costs the server: `python -m tests.bench.stops` starts a private server."""

import tempfile
from pathlib import Path
from sys import stdout

import trio

from state.embedded.embedded import run_embedded
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.store import Store, StoreConfig, open_store
from state.transactions import Start, Stop, start, stop

_CHARGE_POINTS, _ROUNDS = 200, 25
_ANSWER = b'{"status":"Accepted"}'
_MS = 1_767_225_600_000


async def _play(store: Store, number: int, ids: list[int]) -> None:
    """Start one transaction, or stop it."""
    lease = Lease(ChargePointKeys("demo", f"CP{number}"), "node/1", 1)
    if not ids:
        await store.execute("HSET", lease.keys.lease, "epoch", 1, "holder", lease.holder)
        begun = Start(
            connector_id=1,
            id_tag="04A2B3C4D5E6F7",
            timestamp="2026-01-01T00:00:00Z",
            started_ms=_MS,
            plausible=False,
            meter_start=100,
            received_ms=_MS,
        )
        ids.append((await start(store, lease, begun, _ANSWER)).id)
        return
    over = Stop(
        transaction_id=str(ids.pop()),
        timestamp="2026-01-01T01:00:00Z",
        stopped_ms=_MS + 3_600_000,
        meter_stop=200,
        reason="EVDisconnected",
        received_ms=_MS + 3_600_000,
    )
    await stop(store, lease, over, _ANSWER)


async def measure(store: Store) -> tuple[float, float]:
    """Return the microseconds of the server for a start and for a stop, each the least of all rounds."""
    running: list[list[int]] = [[] for _ in range(_CHARGE_POINTS)]
    least = [float("inf"), float("inf")]
    for turn in range(2 * _ROUNDS):
        await store.execute("CONFIG", "RESETSTAT")
        async with trio.open_nursery() as nursery:
            for number, ids in enumerate(running):
                nursery.start_soon(_play, store, number, ids)
        found: dict[str, dict[str, float]] = await store.execute("INFO", "commandstats")
        least[turn % 2] = min(least[turn % 2], float(_usec_of_a_step(found)))
    return least[0], least[1]


def _usec_of_a_step(info: object) -> float:
    text = info.decode() if isinstance(info, bytes) else str(info)
    [line] = [line for line in text.splitlines() if line.startswith("cmdstat_evalsha:")]
    named = dict(part.split("=") for part in line.partition(":")[2].split(","))
    return float(named["usec_per_call"])


async def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(run_embedded, Path(directory))
            async with open_store(StoreConfig(url=url)) as store:
                started, stopped = await measure(store)
            stdout.write(f"start {started:.1f} us, stop {stopped:.1f} us of the server\n")
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
