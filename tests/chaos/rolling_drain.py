"""A fleet that pings at random, while one of three nodes is drained and the sessions are spread again."""

import random
from collections import Counter

import httpx
import msgspec
import trio

from gateway.websocket.client import UpgradeRefused, connect
from gateway.websocket.close_codes import Closed, ConnectionClosed
from gateway.websocket.limits import Limits
from state.store import StoreConfig, open_store
from tests.chaos.bench import Bench, leg
from tests.chaos.fleet import BRISK, fleet, judge
from tests.support.waiting import until
from tests.system.central import Process, Tenant

WINDOW_S = 15.0
RESTART = 1012


class Balancer:
    """Chooses the gateway with the fewest sessions for each new connection."""

    def __init__(self, gateways: list[Process]) -> None:
        self.gateways = gateways
        self.sessions: Counter[int] = Counter()

    def choose(self) -> Process:
        return min(self.gateways, key=lambda gateway: self.sessions[gateway.pid])


class Pinging:
    """A charge point that sends a Heartbeat now and then, and connects again at once."""

    def __init__(self, id_: str, tenant: Tenant, balancer: Balancer, dice: random.Random) -> None:
        self.id = id_
        self.open = False
        self.ends: list[tuple[float, Closed]] = []
        self.begins: list[float] = []
        self._tenant = tenant
        self._balancer = balancer
        self._dice = dice

    async def run(self) -> None:
        while True:
            gateway = self._balancer.choose()
            self._balancer.sessions[gateway.pid] += 1
            try:
                await self._live(gateway)
            except (UpgradeRefused, OSError, trio.TooSlowError):
                await trio.sleep(self._dice.uniform(0.2, 1.0))
            finally:
                self._balancer.sessions[gateway.pid] -= 1

    async def _live(self, gateway: Process) -> None:
        url = self._tenant.url(gateway, self.id)
        async with connect(url, limits=Limits(ping_interval_s=0)) as connection:
            self.open = True
            self.begins.append(trio.current_time())
            closed: Closed | None = None
            async with trio.open_nursery() as nursery:

                async def beat() -> None:
                    while True:
                        await trio.sleep(self._dice.uniform(5, 40))
                        try:
                            await connection.send(msgspec.json.encode([2, "h", "Heartbeat", {}]))
                        except ConnectionClosed:
                            return

                nursery.start_soon(beat)
                closed = await connection.run(ignore)
                nursery.cancel_scope.cancel()
            self.open = False
            self.ends.append((trio.current_time(), closed))


async def ignore(_frame: bytes) -> None:
    """Take the answer to a Heartbeat."""


@leg(
    "rolling-drain",
    criterion="Rolling drain of one of three nodes with 3,000 charge points pinging at random: each gets a "
    "CLOSE frame, the reconnect rate stays within the configured rate + 10 %, all are back within window + "
    "30 s, no transaction lost, exit code 0; then shedding brings the three within 10 % of each other.",
    minutes=4,
)
async def rolling_drain(bench: Bench) -> None:
    """Drain one of three nodes by SIGTERM, start it again, and shed until all have the same."""
    size, charging = bench.scaled(3_000, least=60), bench.scaled(150, least=6)
    window_s = WINDOW_S if bench.scale >= 0.5 else 5.0
    tenant = bench.central.tenant()
    async with (
        open_store(StoreConfig(url=bench.central.valkey.url)) as store,
        bench.central.gateway(drain__window_s=window_s) as one,
        bench.central.gateway(drain__window_s=window_s) as two,
        bench.central.gateway(drain__window_s=window_s) as three,
        tenant.api() as api,
    ):
        balancer = Balancer([one, two, three])
        pinging = [
            Pinging(f"p{n}", tenant, balancer, random.Random(f"{bench.seed}/{n}")) for n in range(size)
        ]
        async with (
            fleet(
                bench,
                [f"t{n}" for n in range(charging)],
                lambda id_: tenant.url(bench.dice.choice(balancer.gateways), id_),
                habits=BRISK,
            ) as running,
            trio.open_nursery() as nursery,
        ):
            for each in pinging:
                nursery.start_soon(each.run)
                await trio.sleep(0.004)
            await until(lambda: all(each.open for each in pinging), 180, every_s=0.2)
            await running.wait_connected()
            await drain(bench, three, balancer, pinging, window_s)
            async with bench.central.gateway(drain__window_s=window_s) as fresh:
                balancer.gateways.append(fresh)
                await spread(bench, api, balancer, window_s)
                await judge(bench, running, api, store, tenant.id)
                nursery.cancel_scope.cancel()


async def drain(
    bench: Bench, leaving: Process, balancer: Balancer, pinging: list[Pinging], window_s: float
) -> None:
    before = balancer.sessions[leaving.pid]
    balancer.gateways.remove(leaving)
    began = trio.current_time()
    leaving.terminate()
    code = await trio.to_thread.run_sync(leaving.child.wait, 120)
    await until(lambda: all(each.open for each in pinging), 120, every_s=0.1)
    back_s = trio.current_time() - began
    ends = [(at, closed) for each in pinging for at, closed in each.ends if at > began]
    codes = Counter(closed.code for _, closed in ends)
    begins = sorted(at for each in pinging for at in each.begins if at > began)
    rate, most = before / window_s, busiest(begins, 3.0)
    bench.figure("sessions of the drained node, closes by code", f"{before}, {dict(codes)}")
    bench.figure("reconnects a second: configured, most", f"{rate:.0f}, {most:.0f}")
    bench.figure("all back after, s (window)", f"{back_s:.1f} ({window_s:.0f})")
    bench.figure("exit code", code)
    bench.require(set(codes) == {RESTART}, f"connections ended with {dict(codes)}")
    bench.require(len(ends) >= before, f"only {len(ends)} of {before} connections ended")
    bench.require(most <= rate * 1.1 + 2, f"{most:.0f} reconnects a second, {rate:.0f} were configured")
    bench.require(back_s < window_s + 30, f"all were back only after {back_s:.0f} s")
    bench.require(code == 0, f"the exit code is {code}")


def busiest(times: list[float], seconds: float) -> float:
    """Return the greatest rate within any time of that length. A short time would show our own jitter."""
    most = first = 0
    for last, at in enumerate(times):
        while times[first] < at - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most / seconds


async def spread(bench: Bench, api: httpx.AsyncClient, balancer: Balancer, window_s: float) -> None:
    """Shed as an operator would: from each node the share that it has too much, until all are alike."""
    root = str(api.base_url).partition("/v1/")[0]
    headers = {"Authorization": api.headers["Authorization"]}
    async with httpx.AsyncClient(base_url=f"{root}/v1", headers=headers, timeout=60) as system:
        rounds = 0
        with trio.move_on_after(6 * (window_s + 15)):
            while True:
                sessions = await gateways(system, {gateway.pid for gateway in balancer.gateways})
                if len(sessions) == len(balancer.gateways) and is_even(list(sessions.values())):
                    break
                mean = sum(sessions.values()) / len(balancer.gateways)
                rounds += 1
                for node, count in sessions.items():
                    percent = round(100 * (count - mean) / max(count, 1))
                    if percent >= 1:
                        body = {"percent": percent, "window_s": window_s}
                        done = await system.post(f"/nodes/{node}/shed", json=body)
                        if done.status_code != 202:
                            bench.require(False, f"shed got {done.status_code} {done.text[:200]}")
                            return
                await trio.sleep(window_s + 8)  # The nodes report their sessions every 3 s.
        bench.figure(
            "sessions of the three nodes, rounds of shedding", f"{sorted(sessions.values())}, {rounds}"
        )
        bench.require(is_even(list(sessions.values())), f"the sessions are {sorted(sessions.values())}")


async def gateways(system: httpx.AsyncClient, pids: set[int]) -> dict[str, int]:
    """Return the sessions of each of these gateways."""
    answer = await system.get("/nodes")
    if answer.status_code != 200:
        raise AssertionError(f"GET /v1/nodes: {answer.status_code}")
    return {
        item["id"]: item["sessions"] or 0
        for item in answer.json()["items"]
        if item["kind"] == "gateway" and item["alive"] and item["pid"] in pids
    }


def is_even(counts: list[int]) -> bool:
    return max(counts) - min(counts) <= 0.1 * (sum(counts) / len(counts)) + 1
