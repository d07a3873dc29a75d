"""Measure the overview, the lists of charge points and the examination for 100,000 charge points of a tenant.

`python -m tests.bench.troubles` starts a private server and the admin API, and takes some minutes. A tenth of
the charge points is in trouble, a fifth charges, and the tenant has 300,000 transactions. A page is measured
as its client sees it, on loopback and with one request at a time.
"""

import tempfile
from itertools import batched
from pathlib import Path
from statistics import median
from sys import argv, stdout
from time import perf_counter, process_time

import msgspec
import trio

from gateway.service import logs
from state import troubles
from state.charge_points.connectors import Connector
from state.embedded.embedded import run_embedded
from state.keys import ChargePointKeys
from state.store import Store, StoreConfig, open_store
from state.tenants import tenants
from state.transactions.listing import index_name
from tests.admin.api import TENANT, Api, serving
from tests.support import leases

CHARGE_POINTS = 100_000
TRANSACTIONS_OF_EACH = 3
REQUESTS = 30
_DAY_MS = 86_400_000
_AT_ONCE = 2_000
_BOOT = {
    "chargePointVendor": "Acme",
    "chargePointModel": "Bolt 22",
    "chargePointSerialNumber": "4711-0815-2222",
    "firmwareVersion": "1.2.3-4567",
}


def commands_of(number: int, now_ms: int) -> list[tuple[str | int | bytes, ...]]:
    """Return the commands that store a charge point as the steps would."""
    keys = ChargePointKeys(TENANT, f"CP-{number:06}")
    in_trouble, charges = number % 10 == 0, number % 5 == 1
    attachment = msgspec.json.encode(leases.attachment("node/1", since_ms=now_ms))
    record = ("registered_ms", now_ms, "registration", "Accepted", "boot", msgspec.json.encode(_BOOT))
    more = ("boot_status", "Accepted", "booted_ms", now_ms, "description", "Bay 7")
    lease = (
        "epoch",
        5,
        "claimed_ms",
        now_ms,
        "connection",
        attachment,
        "connects",
        f"1.000 {now_ms} {now_ms}",
    )
    held = (
        ("holder", "", "node", "", "until_ms", now_ms - _DAY_MS)
        if in_trouble
        else ("holder", f"node/{number}", "node", "node")
    )
    found: list[tuple[str | int | bytes, ...]] = [
        ("HSET", keys.record, *record, *more),
        ("HSET", keys.lease, *lease, *held),
        ("ZADD", keys.charge_points, 0, keys.id),
        ("HSET", keys.seen, keys.member, now_ms // 1000),
    ]
    for connector_id in (1, 2):
        status = "Charging" if charges and connector_id == 1 else "Available"
        one = Connector(
            connector_id=connector_id, status=status, error_code="NoError", received_ms=now_ms - _DAY_MS
        )
        found.append(("HSET", keys.connectors, connector_id, b"[]\n" + msgspec.json.encode(one)))
    for nth in range(TRANSACTIONS_OF_EACH):
        listed = index_name(keys.id, now_ms - nth * _DAY_MS, nth + 1)
        found += [("ZADD", keys.transactions, 0, listed), ("ZADD", keys.history, 0, listed)]
        if charges and nth == 0:
            found += [
                ("ZADD", keys.open_transactions, 0, listed),
                ("HSET", keys.open, 1, f"{nth + 1} mark tag"),
                ("HSET", keys.transaction(nth + 1), "connector", 1, "received_ms", now_ms),
            ]
    return found


async def fill(store: Store) -> None:
    await tenants.put(store, TENANT, name="Acme", auto_register=False)
    now_ms = store.server_time_ms()
    for numbers in batched(range(CHARGE_POINTS), _AT_ONCE, strict=False):
        await store.pipeline([command for number in numbers for command in commands_of(number, now_ms)])


async def measure_examination(store: Store) -> None:
    begin, cpu, used, longest = perf_counter(), process_time(), await _server_cpu(store), 0.0
    at = begin

    async def rest(_examined: int) -> bool:
        nonlocal longest, at
        await trio.lowlevel.checkpoint()
        longest, at = max(longest, perf_counter() - at), perf_counter()
        return True

    await troubles.examine(store, TENANT, rest, troubles.Figures())
    wall, own = perf_counter() - begin, process_time() - cpu
    server = await _server_cpu(store) - used
    stdout.write(
        f"examination without rests: {wall:.1f} s, CPU of the process {own:.1f} s, of the server "
        f"{server:.1f} s; the longest part {longest * 1000:.0f} ms\n"
    )


async def _server_cpu(store: Store) -> float:
    text = (await store.execute("INFO", "cpu")).decode()
    lines = (line.partition(":") for line in text.splitlines())
    return sum(float(value) for name, _, value in lines if name in {"used_cpu_user", "used_cpu_sys"})


async def measure_page(api: Api, path: str) -> None:
    times, size = [], 0
    for _ in range(REQUESTS):
        begin = perf_counter()
        answer = await api.client.get(f"/v1/tenants/{TENANT}/{path}")
        times.append((perf_counter() - begin) * 1000)
        assert answer.status_code == 200, answer.text
        size = len(answer.content)
    stdout.write(f"{path}: median {median(times):.1f} ms, worst {max(times):.1f} ms, {size} bytes\n")


async def main() -> None:
    logs.configure("warning", "console")
    with tempfile.TemporaryDirectory(prefix="csms-bench-") as directory:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(run_embedded, Path(directory))
            async with open_store(StoreConfig(url=url)) as store, serving(store) as api:
                await fill(store)
                await measure_examination(store)
                await measure_examination(store)
                for path in argv[1:] or (
                    "overview",
                    "charge-points/CP-000011",
                    "charge-points?limit=100",
                    "charge-points?limit=1000",
                    "charge-points?trouble=offline&limit=100",
                    "charge-points?trouble=offline&limit=1000",
                    "charge-points?trouble=deaf",
                ):
                    await measure_page(api, path)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
