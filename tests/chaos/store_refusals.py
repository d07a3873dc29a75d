"""A store that refuses writes, or says nothing, while charge points go on charging."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import trio

from state.store import Store, StoreConfig, open_store
from tests.chaos.bench import Bench, leg
from tests.chaos.fleet import BRISK, FACTS, Fleet, count_online, fleet, judge
from tests.chaos.workers import Workers, events, workers
from tests.support.valkey_server import ValkeyServer

GRACE_S = 0.2
"""A call that was sent this shortly before a fault may have been stored before it."""


@dataclass(frozen=True)
class Fault:
    name: str
    seconds: float
    begin: Callable[[ValkeyServer], None]
    end: Callable[[ValkeyServer], None]
    refused: frozenset[str] = FACTS
    """Facts that cannot be stored meanwhile. A full store still stores stops."""


def _ask(server: ValkeyServer, command: str, right: bytes = b"+") -> None:
    answer = server.ask(command.encode())
    assert answer.startswith(right), f"{command}: {answer!r}"


def _break_saving(server: ValkeyServer) -> None:
    """Let a snapshot fail, after which the server refuses writes with MISCONF."""
    (server.directory / "dump.rdb").mkdir()
    _ask(server, 'CONFIG SET save "3600 1"')
    _ask(server, "BGSAVE")


def _mend_saving(server: ValkeyServer) -> None:
    (server.directory / "dump.rdb").rmdir()
    _ask(server, 'CONFIG SET save ""')


FAULTS = (
    Fault(
        "OOM",
        60,
        lambda server: _ask(server, "CONFIG SET maxmemory 1mb"),
        lambda server: _ask(server, "CONFIG SET maxmemory 1gb"),
        frozenset(("StartTransaction",)),
    ),
    Fault(
        "NOREPLICAS",
        60,
        lambda server: _ask(server, "CONFIG SET min-replicas-to-write 1"),
        lambda server: _ask(server, "CONFIG SET min-replicas-to-write 0"),
    ),
    Fault(
        "READONLY",
        60,
        lambda server: _ask(server, "REPLICAOF 127.0.0.1 1"),
        lambda server: _ask(server, "REPLICAOF NO ONE"),
    ),
    Fault("MISCONF", 60, _break_saving, _mend_saving),
    Fault("pause", 30, ValkeyServer.pause, ValkeyServer.resume),
)


@leg(
    "store-refusals",
    criterion="60 s each of OOM, NOREPLICAS, READONLY, MISCONF, and a pause of 30 s: 0 nodes reaped, 0 "
    "charge points offline, no false acknowledgement, memory growth under 20 %, recovery within 5 s.",
    minutes=8,
)
async def store_refusals(bench: Bench) -> None:
    """Let the store refuse every write in four ways, and pause it, while charge points charge."""
    size = bench.scaled(200, least=20)
    ids = [f"r{n}" for n in range(size)]
    tenant = bench.central.tenant()
    async with (
        open_store(StoreConfig(url=bench.central.valkey.url)) as store,
        workers(bench, 2, proxies=False) as pool,
        fleet(bench, ids, lambda id_: pool.url(tenant, id_), habits=BRISK) as running,
    ):
        await running.wait_connected()
        await running.wait_acknowledged(size)
        for fault in FAULTS:
            statuses: Counter[int] = Counter()
            async with tenant.api() as api, trio.open_nursery() as nursery:
                nursery.start_soon(command_all_the_time, api, ids[0], statuses)
                await endure(bench, fault, running, pool)
                nursery.cancel_scope.cancel()
            bench.figure(f"{fault.name}: answers to commands", dict(statuses))
            bench.require(
                not statuses[409], f"{fault.name}: a command was told that its charge point is offline"
            )
            online = await online_soon(store, tenant.id, ids)
            bench.require(online == size, f"{fault.name}: {size - online} charge points are offline")
        async with tenant.api() as api:
            await judge(bench, running, api, store, tenant.id)
    bench.figure("connections that ended", running.connections - size)
    bench.require(running.connections == size, f"sessions ended: {dict(running.count('ends'))}")
    reaped = events(bench.central.directory / "gateways.log", "node.reaped")
    bench.require(not reaped, f"nodes were reaped: {reaped[:3]}")


async def endure(bench: Bench, fault: Fault, running: Fleet, pool: Workers) -> None:
    server, before = bench.central.valkey, pool.resident_kib()
    seconds = bench.scaled_s(fault.seconds, least=13)
    connections = running.connections
    began = trio.current_time()
    fault.begin(server)
    try:
        await trio.sleep(seconds)
    finally:
        ended = trio.current_time()
        fault.end(server)
    grown = pool.resident_kib() / before - 1
    await running.wait_acknowledged(1, 60)
    within = trio.current_time() - ended
    await running.wait_acknowledged(len(running.charge_points) // 4, 60)
    false = [
        answer
        for answer in running.answers
        if answer.action in fault.refused
        and answer.error is None
        and answer.sent > began + GRACE_S
        and answer.answered < ended
    ]
    refused = [answer for answer in running.answers if answer.error and began < answer.answered < ended]
    bench.figure(
        f"{fault.name}: s, refused, false, memory, recovery",
        f"{seconds:.0f} s, {len(refused)}, {len(false)}, {100 * grown:+.1f} %, {within:.2f} s",
    )
    bench.require(not false, f"{fault.name}: {len(false)} facts were acknowledged meanwhile")
    bench.require(grown < 0.2, f"{fault.name}: the memory of the gateways grew by {100 * grown:.0f} %")
    bench.require(within < 5, f"{fault.name}: the first fact came {within:.1f} s after the end of the fault")
    bench.require(bool(refused), f"{fault.name}: nothing was refused, so nothing was tested")
    bench.require(running.connections == connections, f"{fault.name}: sessions ended")


async def command_all_the_time(api: httpx.AsyncClient, id_: str, statuses: Counter[int]) -> None:
    while True:
        done = await api.post(f"/charge-points/{id_}/commands/ClearCache?timeout=5", json={})
        statuses[done.status_code] += 1
        await trio.sleep(2)


async def online_soon(store: Store, tenant: str, ids: list[str]) -> int:
    """Return how many are online, waiting at most 5 s for all."""
    online = 0
    with trio.move_on_after(5):
        while online < len(ids):
            online = await count_online(store, tenant, ids)
            await trio.sleep(0.2)
    return online
