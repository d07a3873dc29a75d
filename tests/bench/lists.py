"""Measure pages of lists with 100,000 charge points and transactions: `python -m tests.bench.lists [COUNT]`.

Each figure is the time from request to answer on a server that does nothing else.
"""

import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from sys import stdout
from time import perf_counter
from typing import Any

import trio

from state import charge_points
from state.charge_points import Settings
from state.embedded.embedded import run_embedded
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.store import Store, StoreConfig, open_store
from state.tenants import tenants
from state.transactions import Start, Stop, start, stop
from tests.admin.api import TENANT, Api, serving

_MS = 1_767_225_600_000
_TASKS = 200
_PAGES = 30
_ANSWER = b'{"status":"Accepted"}'
LISTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("charge-points", {}),
    ("transactions", {}),
    ("transactions", {"charge_point": "CP7"}),
    ("transactions", {"id_tag": "TAG7"}),
    ("transactions", {"open": "true"}),
    ("transactions", {"by": "stop", "since": "2026-01-01T12:00:00Z", "until": "2026-01-01T12:10:00Z"}),
    ("transactions", {"by": "receipt"}),
    ("transactions/completed", {}),
    ("transactions/completed", {"charge_point": "CP7"}),
)


async def _charge(store: Store, number: int) -> None:
    """Register a charge point, and play one transaction of a thousand that share a charge point."""
    await charge_points.put(store, TENANT, f"CP{number}", Settings())
    lease = Lease(ChargePointKeys(TENANT, f"CP{number % 1000}"), "node/1", 1)
    at_ms = _MS + number * 864 // 1000 * 1000
    begun = Start(
        connector_id=number // 1000 + 1,
        id_tag=f"TAG{number % 500}",
        timestamp="2026-01-01T00:00:00Z",
        started_ms=at_ms,
        plausible=True,
        meter_start=number,
        received_ms=at_ms,
    )
    id_ = (await start(store, lease, begun, _ANSWER)).id
    over = Stop(
        transaction_id=str(id_),
        timestamp="2026-01-01T00:10:00Z",
        stopped_ms=at_ms + 600_000,
        meter_stop=number + 900,
        reason="EVDisconnected",
        received_ms=at_ms + 600_000,
    )
    await stop(store, lease, over, _ANSWER)


async def fill(store: Store, count: int) -> None:
    left = iter(range(count))

    async def work() -> None:
        for number in left:
            await _charge(store, number)

    async with trio.open_nursery() as nursery:
        for _ in range(_TASKS):
            nursery.start_soon(work)


async def measure(api: Api, path: str, query: dict[str, Any], limit: int) -> tuple[float, float, int]:
    """Return the median and the greatest milliseconds of a page, and how many items the pages had."""
    took: list[float] = []
    query, found = {**query, "limit": limit}, 0
    for _ in range(_PAGES):
        begin = perf_counter()
        response = await api.client.get(f"/v1/tenants/{TENANT}/{path}", params=query)
        took.append((perf_counter() - begin) * 1000)
        page = response.json()
        found += len(page["items"])
        if path.endswith("completed"):
            query["after"] = page["after"]
            more = page["more"]
        else:
            query["cursor"] = page["next"]
            more = page["next"] is not None
        if not more:
            break
    took.sort()
    return took[len(took) // 2], took[-1], found


async def download(api: Api) -> tuple[float, int]:
    """Return the seconds and the bytes of a file with all transactions."""
    begin, size = perf_counter(), 0
    query = {"format": "csv"}
    async with api.client.stream(
        "GET", f"/v1/tenants/{TENANT}/transactions/completed", params=query
    ) as answer:
        async for part in answer.aiter_raw():
            size += len(part)
    return perf_counter() - begin, size


@asynccontextmanager
async def _system() -> AsyncIterator[tuple[Store, Api]]:
    with tempfile.TemporaryDirectory() as directory:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(run_embedded, Path(directory))
            async with open_store(StoreConfig(url=url)) as store:
                await tenants.put(store, TENANT, name="", auto_register=True)
                async with serving(store) as api:
                    yield store, api
            nursery.cancel_scope.cancel()


async def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    async with _system() as (store, api):
        await fill(store, count)
        for path, query in LISTS:
            for limit in (100, 1000):
                median, most, found = await measure(api, path, query, limit)
                stdout.write(
                    f"{path} {query} {limit}: median {median:.1f} ms, most {most:.1f} ms, {found} items\n"
                )
        took, size = await download(api)
        stdout.write(f"file: {took:.1f} s, {size / 1e6:.1f} MB\n")


if __name__ == "__main__":
    trio.run(main)
