"""Measure pages of lists: `python -m tests.bench.lists [--count 100000] [--only WORDS]`.

The command starts a private server and the admin API, and stores charge points, transactions and id tags.
Every list is walked with the greatest limit. With smaller limits, some pages are read at the beginning, in
the middle and at the end. The client is a process of its own, and asks for one page at a time. `work` is the
CPU time of the admin process and of the store, which hardly depends on how busy the machine is.
"""

import argparse
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from sys import stdout
from typing import Any

import trio

from admin.archive.archive import Reader
from gateway.service import collector, logs
from state import troubles
from state.embedded.embedded import run_embedded
from state.store import Store, StoreConfig, open_store
from state.tenants import tenants
from tests.admin.api import TENANT, Api, serving
from tests.bench.lists.filling import BUSY, COMMON_TAG, NO_TAG, RARE_TAG, fill, fill_archive
from tests.bench.lists.measuring import Meter, describe, open_meter, visit, walk

_DAY = {"since": "2026-06-15T00:00:00Z", "until": "2026-06-16T00:00:00Z"}
_FUTURE = {"since": "2030-01-01T00:00:00Z"}
LISTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("charge-points", {}),
    ("charge-points", {"prefix": "CP-05"}),
    ("charge-points", {"online": "true"}),
    ("charge-points", {"online": "false"}),
    ("charge-points", {"boot_status": "Pending"}),
    ("charge-points", {"boot_status": "Rejected"}),
    ("charge-points", {"trouble": "offline"}),
    ("charge-points", {"trouble": "any", "online": "true"}),
    ("charge-points", {"trouble": "deaf"}),
    ("transactions", {}),
    ("transactions", _DAY),
    ("transactions", {"charge_point": BUSY}),
    ("transactions", {"id_tag": COMMON_TAG}),
    ("transactions", {"id_tag": RARE_TAG}),
    ("transactions", {"id_tag": NO_TAG}),
    ("transactions", {"open": "true"}),
    ("transactions", {"open": "false"}),
    ("transactions", {"open": "true", "id_tag": NO_TAG}),
    ("transactions", {"by": "stop"}),
    ("transactions", {"by": "stop", **_DAY}),
    ("transactions", {"by": "stop", **_FUTURE}),
    ("transactions", {"by": "receipt", **_DAY}),
    ("transactions", {"by": "receipt", "id_tag": RARE_TAG}),
    ("transactions/completed", {}),
    ("transactions/completed", {"charge_point": BUSY}),
    ("transactions/completed", {"id_tag": RARE_TAG}),
    ("id-tags", {}),
    (f"charge-points/{BUSY}/commands", {}),
    ("refusals", {}),
    ("refusals", {"charge_point": "STRANGER-000007"}),
)
ARCHIVED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("transactions", {}),
    ("transactions", {"until": "2026-06-01T00:00:00Z"}),
    ("transactions", {"until": "2026-06-01T00:00:00Z", "id_tag": NO_TAG}),
)
"""Lists that an admin process with an archive reads from both. In June, all transactions are in the store."""
FILES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("transactions", {"format": "csv"}),
    ("transactions", {"format": "jsonl"}),
    ("transactions", {"format": "csv", "by": "stop", **_DAY}),
    ("transactions/completed", {"format": "csv"}),
    ("transactions/completed", {"format": "jsonl"}),
)


@asynccontextmanager
async def _system() -> AsyncIterator[Store]:
    with tempfile.TemporaryDirectory(prefix="csms-bench-") as directory:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(run_embedded, Path(directory))
            async with open_store(StoreConfig(url=url)) as store:
                yield store
            nursery.cancel_scope.cancel()


async def measure(meter: Meter, path: str, query: dict[str, Any], options: argparse.Namespace) -> None:
    name = " ".join((path, *(f"{key}={value}" for key, value in query.items())))
    if options.only not in name:
        return
    costs, cursors = await walk(meter, path, query, limit=1_000, pages=options.pages)
    stdout.write(f"{name}\n  1000: {describe(costs)}\n")
    for limit in (100, 1):
        costs = await visit(meter, path, query, cursors, limit=limit)
        stdout.write(f"  {limit:4}: {describe(costs)}\n")
    stdout.flush()


async def download(meter: Meter, path: str, query: dict[str, Any], options: argparse.Namespace) -> None:
    if options.only not in f"file {path}":
        return
    cost, answered = await meter.ask(path, query)
    stdout.write(
        f"file {path} {query}: {answered.items} lines, {answered.bytes / 1e6:.1f} MB; admin"
        f" {cost.own_ms / 1000:.1f} s, store {cost.store_ms / 1000:.1f} s, wall {cost.wall_ms / 1000:.1f} s\n"
    )
    stdout.flush()


async def _prepare(store: Store, count: int) -> None:
    if await tenants.get(store, TENANT) is None:
        await fill(store, count)
        await troubles.examine(store, TENANT, _go_on, troubles.Figures())


async def _go_on(_examined: int) -> bool:
    await trio.lowlevel.checkpoint()
    return True


async def _measure_all(api: Api, options: argparse.Namespace) -> None:
    async with open_meter(api) as meter:
        for path, query in LISTS:
            await measure(meter, path, query, options)
        for path, query in FILES:
            await download(meter, path, query, options)


async def _measure_archived(api: Api, options: argparse.Namespace) -> None:
    stdout.write("with an archive:\n")
    async with open_meter(api) as meter:
        for path, query in ARCHIVED:
            await measure(meter, path, query, options)


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.lists", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="charge points, and transactions")
    parser.add_argument("--pages", type=int, default=1_000, help="most pages of a walk")
    parser.add_argument("--only", default="", help="measure only lists whose name contains this text")
    parser.add_argument("--no-archive", action="store_true", help="leave out the lists with an archive")
    parser.add_argument("--url", help="a store that keeps what this bench fills in, for several runs")
    options = parser.parse_args()
    logs.configure("warning", "console")
    async with open_store(StoreConfig(url=options.url)) if options.url else _system() as store:
        await _prepare(store, options.count)
        async with serving(store) as api:
            collector.settle()  # As the admin process does.
            await _measure_all(api, options)
        if not options.no_archive:
            with tempfile.TemporaryDirectory(prefix="csms-bench-") as directory:
                fill_archive(Path(directory))
                async with serving(store, archive=Reader(Path(directory))) as api:
                    collector.settle()
                    await _measure_archived(api, options)


if __name__ == "__main__":
    trio.run(main)
