"""Nodes that die, pause or lose their store's memory, and what the living ones make of it."""

import os
import shutil
import signal
from collections import Counter
from functools import partial

import httpx
import msgspec
import trio

from state import keys
from state.keys import PARTITIONS, ChargePointKeys
from state.nodes import nodes
from state.nodes.nodes import NodeRecord
from state.scripts import SCRIPTS
from state.store import Store, StoreConfig, open_store
from tests.chaos.bench import Bench, leg
from tests.chaos.fleet import count_online
from tests.chaos.sessions import sessions
from tests.chaos.workers import events, workers
from tests.support.waiting import until
from tests.system.central import Tenant

BEAT_GAP_S = 9.0
LIVE = 20
EVERY = 32
"""Each how many partitions are asked for what is left, to keep the looks cheap."""


@leg(
    "dead-nodes",
    criterion="16 dead nodes of 8,000 leases each and a fresh gateway: no living node's beats more than 9 s "
    "apart, no command to a connected charge point refused, reap steps together below 1.2 times the leases.",
    minutes=4,
)
async def dead_nodes(bench: Bench) -> None:
    """Leave many dead nodes to two living gateways, and start a third one at the same time."""
    each = bench.scaled(8_000, least=100)
    dead = [nodes.new_incarnation() for _ in range(16)]
    tenant = bench.central.tenant()
    async with open_store(StoreConfig(url=bench.central.valkey.url)) as store:
        await lease_to(store, tenant.id, dead, each)
        async with (
            workers(bench, 3) as pool,
            sessions(lambda id_: pool.url(tenant, id_)) as live,
            tenant.api() as api,
        ):
            third = pool.places[2]
            await trio.to_thread.run_sync(third.running.stop)
            ids = [f"live-{n}" for n in range(LIVE)]
            await live.connect(ids)
            reap = next(SCRIPTS[name].sha.encode() for name in SCRIPTS if name.startswith("nodes/reap"))
            for place in pool.places:
                assert place.proxy is not None
                place.proxy.counted[reap] = 0
            await register(store, dead)
            watch = Watch(store, set(dead))
            statuses: Counter[int] = Counter()
            offline = 0
            async with trio.open_nursery() as nursery:
                nursery.start_soon(watch.run)
                nursery.start_soon(ask_all_the_time, api, ids, statuses)
                with trio.move_on_after(240) as patience:
                    before = 16 * each
                    while (left := await count_left(store, dead)) > 0:
                        if left < 0.98 * before and third.running.child.poll() is not None:
                            await third.start()
                        offline = max(offline, LIVE - await count_online(store, tenant.id, ids))
                        await trio.sleep(0.3)
                bench.require(not patience.cancelled_caught, "the leases of the dead were not reaped in time")
                await trio.sleep(12)  # A node that is judged wrongly is judged within this time.
                offline = max(offline, LIVE - await count_online(store, tenant.id, ids))
                nursery.cancel_scope.cancel()
            steps = sum(place.proxy.counted[reap] for place in pool.places if place.proxy is not None)
    gap = max(watch.gaps.values(), default=0.0)
    bench.figure("leases, reap steps, steps for each lease", f"{16 * each}, {steps}, {steps / 16 / each:.2f}")
    bench.figure("longest time between two beats of a gateway, s", gap)
    bench.figure("answers to commands by status", dict(statuses))
    bench.figure("connected charge points shown offline at once", offline)
    bench.require(gap <= BEAT_GAP_S, f"a living gateway did not beat for {gap:.1f} s")
    bench.require(set(statuses) == {200}, f"commands to connected charge points got {dict(statuses)}")
    bench.require(steps < 1.2 * 16 * each, f"{steps} reap steps for {16 * each} leases")
    bench.require(not offline, f"{offline} connected charge points were shown offline")
    reaped = {one.get("node") for one in events(bench.central.directory / "gateways.log", "node.reaped")}
    bench.require(reaped <= set(dead), f"living nodes were reaped: {reaped - set(dead)}")


async def lease_to(store: Store, tenant: str, dead: list[str], each: int) -> None:
    """Write leases as sessions of these nodes would hold them."""
    connection = '{"address":"192.0.2.7","tls":null,"since_ms":1,"node":"x","token_id":"abcdefgh"}'
    for node in dead:
        for first in range(0, each, 1_000):
            batch: list[tuple[str | int, ...]] = []
            for number in range(first, min(first + 1_000, each)):
                of = ChargePointKeys(tenant, f"cp-{node}-{number}")
                fields: dict[str, str | int] = {
                    "epoch": 1,
                    "holder": f"{node}/{number}",
                    "node": node,
                    "connection": connection,
                    "claimed_ms": 1,
                    "last_seen_ms": 1,
                    "previous": "",
                }
                batch.append(("HSET", of.lease, *(part for field in fields.items() for part in field)))
                batch.append(("SADD", of.held(node), of.member))
            await store.pipeline(batch)


async def register(store: Store, dead: list[str]) -> None:
    """Give each node one beat. It never gives another one."""
    record = msgspec.json.encode(NodeRecord(kind="gateway", host="gone", pid=1, started_ms=1))
    for node in dead:
        await store.execute("SET", keys.node(node), record, "PX", nodes.FORGOTTEN_MS)
        await store.execute("HINCRBY", keys.NODES, node, 1)


async def count_left(store: Store, dead: list[str]) -> int:
    asked = [("SCARD", keys.held(part, node)) for node in dead for part in range(0, PARTITIONS, EVERY)]
    counts: list[int] = await store.pipeline(asked)
    return sum(counts) * EVERY


class Watch:
    """The longest time between two beats of each living gateway."""

    def __init__(self, store: Store, dead: set[str]) -> None:
        self.gaps: dict[str, float] = {}
        self._store = store
        self._dead = dead
        self._last: dict[str, tuple[int, float]] = {}

    async def run(self) -> None:
        while True:
            for state in await nodes.list_nodes(self._store):
                if state.incarnation in self._dead or state.kind != "gateway":
                    continue
                now = trio.current_time()
                counter, since = self._last.get(state.incarnation, (state.counter, now))
                if state.counter != counter:
                    since = now
                self._last[state.incarnation] = state.counter, since
                self.gaps[state.incarnation] = max(self.gaps.get(state.incarnation, 0.0), now - since)
            await trio.sleep(0.2)


async def ask_all_the_time(api: httpx.AsyncClient, ids: list[str], statuses: Counter[int]) -> None:
    while True:
        for id_ in ids:
            done = await api.post(f"/charge-points/{id_}/commands/ClearCache?timeout=3", json={})
            statuses[done.status_code] += 1
            await trio.sleep(0.2)


# --- Charge points that are online and of nobody ----------------------------------------------------

GHOSTS = "0 charge points online without a session 30 s later."


@leg("pause-reap-leave-wake", criterion=f"Pause, reap, leave, wake: {GHOSTS}", minutes=2)
async def pause_reap_leave_wake(bench: Bench) -> None:
    """Pause a gateway until others have reaped it, let its charge points leave, and wake it."""
    ids = [f"g{n}" for n in range(bench.scaled(1_500, least=100))]
    tenant = bench.central.tenant()
    async with (
        open_store(StoreConfig(url=bench.central.valkey.url)) as store,
        bench.central.gateway(),
        bench.central.gateway() as paused,
        sessions(partial(tenant.url, paused)) as live,
    ):
        await live.connect(ids)
        os.kill(paused.pid, signal.SIGSTOP)
        try:
            began = trio.current_time()
            await until(partial(none_online, store, tenant, ids), 120, every_s=0.5)
            bench.figure("reaped after, s", trio.current_time() - began)
            live.drop(ids)
            await trio.sleep(0.5)
        finally:
            os.kill(paused.pid, signal.SIGCONT)
        await require_nobody(bench, store, tenant, ids)


@leg("wipe-readopt", criterion=f"Wipe with readoption: {GHOSTS}", minutes=2)
async def wipe_readopt(bench: Bench) -> None:
    """Wipe the store, and let the charge points leave while the gateway takes their leases back."""
    ids = [f"w{n}" for n in range(bench.scaled(1_500, least=200))]
    tenant = bench.central.tenant()
    async with (
        open_store(StoreConfig(url=bench.central.valkey.url)) as store,
        bench.central.gateway() as gateway,
        sessions(partial(tenant.url, gateway)) as live,
    ):
        await live.connect(ids)
        await trio.sleep(2)
        bench.central.valkey.flush()
        await until(partial(some_online, store, tenant, ids), 60, every_s=0.005)
        bench.figure("online when they leave", await count_online(store, tenant.id, ids))
        live.drop(ids)
        await require_nobody(bench, store, tenant, ids)


@leg("roll-back", criterion=f"Roll-back under silent sessions: {GHOSTS}", minutes=2)
async def roll_back(bench: Bench) -> None:
    """Put an older copy of the store's files back, while other charge points are connected than then."""
    half = bench.scaled(750, least=50)
    stayed, gone, came = ([f"{kind}{n}" for n in range(half)] for kind in ("stayed", "gone", "came"))
    tenant, server = bench.central.tenant(), bench.central.valkey
    copy = bench.directory / "copy"
    async with (
        open_store(StoreConfig(url=server.url)) as store,
        bench.central.gateway() as gateway,
        sessions(partial(tenant.url, gateway)) as live,
    ):
        await live.connect([*stayed, *gone])
        server.kill()
        shutil.copytree(server.directory, copy, ignore=shutil.ignore_patterns("*.sock"))
        server.start()
        await trio.sleep(2)
        live.drop(gone)
        await until(partial(none_online, store, tenant, gone), 60, every_s=0.2)
        await live.connect(came)
        server.kill()
        shutil.rmtree(server.directory / "appendonlydir")
        shutil.copytree(copy / "appendonlydir", server.directory / "appendonlydir")
        server.start()
        await require_nobody(bench, store, tenant, gone)
        online = await count_online(store, tenant.id, [*stayed, *came])
        bench.figure("online, of those that are connected", f"{online} of {2 * half}")
        bench.require(online == 2 * half, f"{2 * half - online} connected charge points are offline")
        ended = dict(list(live.closed.items())[:5])
        bench.require(not live.closed, f"{len(live.closed)} sessions ended, such as {ended}")


async def none_online(store: Store, tenant: Tenant, ids: list[str]) -> bool:
    return not await count_online(store, tenant.id, ids)


async def some_online(store: Store, tenant: Tenant, ids: list[str]) -> bool:
    return bool(await count_online(store, tenant.id, ids))


async def require_nobody(bench: Bench, store: Store, tenant: Tenant, ids: list[str]) -> None:
    """Require that none of these is online after 30 s."""
    await trio.sleep(5)
    early = await count_online(store, tenant.id, ids)
    await trio.sleep(25)
    ghosts = await count_online(store, tenant.id, ids)
    bench.figure("online and of nobody after 5 s and after 30 s", f"{early}, {ghosts}")
    if ghosts:
        shown = [id_ for id_ in ids if await count_online(store, tenant.id, [id_])]
        bench.require(False, f"{ghosts} of {len(ids)} are online and have no session: {shown[:5]}")
