"""The release before and this one on one store: a rolling change and back, under load."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import trio

from tests.chaos.bench import Bench, Skipped, leg
from tests.chaos.fleet import Fleet, fleet, judge, list_items
from tests.chaos.mixed_releases import (
    BOOT,
    DEADLINE_S,
    RELEASES,
    Mixed,
    begin_batch,
    exchange,
    note_of,
    read,
    send,
    wait_batch_ended,
)
from tests.chaos.workers import free_port
from tests.support.charge_point_peer import charge_point
from tests.support.valkey_server import ValkeyServer
from tests.support.waiting import until
from tests.system import central
from tests.system.central import Central, Process, Tenant

BEFORE = "46e74e03ade9adab05c92693e0ce5c128f7397b4"
"""The commit before: the newest one of the release that may be in use."""
SHOWN = 60
LOST = 5
"""Charge points of a gateway that is killed, and reaped by gateways of the other release."""


@contextmanager
def release_before(directory: Path) -> Iterator[Path]:
    """Check the commit before out into a directory of its own. Raises Skipped without it."""
    tree = directory / "before"
    git = ["git", "-C", str(Path.cwd())]
    known = subprocess.run([*git, "cat-file", "-e", f"{BEFORE}^{{commit}}"], capture_output=True, check=False)
    if known.returncode:
        raise Skipped(f"the git history lacks {BEFORE[:8]}, the release before; clone it whole, not shallow")
    subprocess.run(
        [*git, "worktree", "add", "--detach", "--force", str(tree), BEFORE], check=True, capture_output=True
    )
    try:
        yield tree
    finally:
        subprocess.run([*git, "worktree", "remove", "--force", str(tree)], check=True, capture_output=True)


class System:
    """Two gateways at one port and an admin process, each of either release."""

    def __init__(self, bench: Bench, store: str, before: Path) -> None:
        self.bench = bench
        self.port = free_port()
        self.gateways: list[Process] = []
        self.admin: Process | None = None
        self._store = store
        self._trees = {"before": before, "now": Path.cwd()}

    async def start_admin(self, release: str) -> Process:
        settings = central._common(self._store, "PORT")
        return await self._start(release, ("admin", "serve"), settings)

    async def start_gateway(self, release: str, port: int) -> Process:
        """Start a gateway. With port 0, it gets a port of its own."""
        settings = central._common(self._store, "WS_PORT")
        settings |= {"CSMS__LISTEN__WS_PORT": str(port), "CSMS__DRAIN__WINDOW_S": "3"}
        return await self._start(release, ("gateway",), settings)

    async def _start(self, release: str, module: tuple[str, ...], settings: dict[str, str]) -> Process:
        log = self.bench.directory / f"{release}-{module[0]}.log"
        process = Process(module, settings, log, release=self._trees[release])
        await trio.to_thread.run_sync(process.wait_ready)
        return process

    async def start_all(self, release: str) -> None:
        self.admin = await self.start_admin(release)
        self.gateways = [await self.start_gateway(release, self.port) for _ in range(2)]

    async def change_gateway(self, place: int, release: str) -> None:
        """Start the new gateway before the old one ends."""
        old = self.gateways[place]
        self.gateways[place] = await self.start_gateway(release, self.port)
        await trio.to_thread.run_sync(old.stop)
        self.bench.require(old.child.returncode == 0, f"a gateway ended with {old.child.returncode}")
        await trio.sleep(self.bench.scaled_s(15, least=5))

    async def change_admin(self, release: str) -> None:
        old = self.admin
        self.admin = await self.start_admin(release)
        assert old is not None
        await trio.to_thread.run_sync(old.stop)

    @asynccontextmanager
    async def mixed(self, tenant: Tenant) -> AsyncIterator[Mixed]:
        """Start a gateway and an admin process of each release, and stop the own admin process."""
        assert self.admin is not None
        mixed = Mixed(self.bench, tenant, {}, {})
        own, self.admin = self.admin, None
        await trio.to_thread.run_sync(own.stop)
        try:
            for release in RELEASES:
                mixed.gateways[release] = await self.start_gateway(release, 0)
                mixed.admins[release] = await self.start_admin(release)
            yield mixed
            self.admin = mixed.admins.pop("before")
        finally:
            for process in (*mixed.gateways.values(), *mixed.admins.values()):
                process.stop()

    def stop(self) -> None:
        for process in (*self.gateways, self.admin):
            if process is not None:
                process.stop()


@leg(
    "two-releases",
    criterion="The commit before this issue and this one on one store: a rolling change and back, under "
    "load: no fact lost, nothing shown empty, and each admin process works with each gateway of both.",
    minutes=4,
    central=False,
)
async def two_releases(bench: Bench) -> None:
    """Change a system from the release before to this one and back, while charge points charge."""
    size = bench.scaled(100, least=10)
    store = ValkeyServer(bench.directory / "store")
    with release_before(bench.directory) as tree, ExitStack() as stack:
        store.start()
        stack.callback(store.stop)
        system = System(bench, store.url, tree)
        stack.callback(system.stop)
        await system.start_all("before")  # The release before makes the store.
        assert system.admin is not None
        key = await central._api_key(store.url)
        tenant = await trio.to_thread.run_sync(Central(bench.directory, store, system.admin, key).tenant)
        address = f"ws://127.0.0.1:{system.port}/OCPP16/{tenant.id}/{tenant.token}"
        async with fleet(
            bench, [f"load-{n}" for n in range(size)], lambda id_: f"{address}/{id_}"
        ) as running:
            await running.wait_connected()
            await running.wait_acknowledged(2 * size)
            await require_shown(bench, system, tenant, "before", running)
            await require_reaped(system, tenant, dead="now", living="before")
            await change_to_now(system, tenant)
            await running.wait_acknowledged(size)
            await require_shown(bench, system, tenant, "now", running)
            await require_reaped(system, tenant, dead="before", living="now")
            await change_back(system, tenant)
            await running.wait_acknowledged(size)
            await require_shown(bench, system, tenant, "before again", running)
            async with client(system, tenant) as api:
                await judge(bench, running, api, None, tenant.id)
    for log in bench.directory.glob("*.log"):
        bench.require("Traceback" not in log.read_text(), f"a traceback in {log.name}")


async def change_to_now(system: System, tenant: Tenant) -> None:
    """Change the gateways first, and look at both releases together when half of them have changed."""
    await system.change_gateway(0, "now")
    async with system.mixed(tenant) as mixed:

        async def restart(release: str) -> None:
            mixed.admins[release] = await system.start_admin(release)

        await exchange(mixed, restart)
    await system.change_gateway(1, "now")
    await system.change_admin("now")


async def change_back(system: System, tenant: Tenant) -> None:
    """Change the admin process first. What this release has queued is sent by the release before."""
    id_ = "queued-by-now"
    async with client(system, tenant) as api:
        (await api.put(f"/charge-points/{id_}", json={})).raise_for_status()
        command = await send(api, id_, "command", when="online")
        batch = await begin_batch(api, [id_], "batch")
    await system.change_admin("before")
    for place in range(len(system.gateways)):
        await system.change_gateway(place, "before")
    url = f"ws://127.0.0.1:{system.port}/OCPP16/{tenant.id}/{tenant.token}/{id_}"
    async with client(system, tenant) as api, charge_point(url) as peer:
        await peer.call("BootNotification", BOOT)
        await wait_batch_ended(api, batch)
        status = (await read(api, f"/commands/{command['id']}"))["status"]
        got = sorted(note_of(peer))
    system.bench.require(
        status == "answered" and got == ["batch", "command"],
        f"after the way back, a command queued before is {status}, and the charge point got {got}",
    )
    system.bench.figure("commands queued by this release, sent by the one before", len(got))


async def require_reaped(system: System, tenant: Tenant, *, dead: str, living: str) -> None:
    """Kill a gateway of a release, and require that gateways of the other one alone reap its sessions."""
    ids = [f"lost-by-{dead}-{number}" for number in range(LOST)]
    doomed = await system.start_gateway(dead, 0)
    async with AsyncExitStack() as stack:
        for id_ in ids:
            peer = await stack.enter_async_context(charge_point(tenant.url(doomed, id_)))
            await peer.call("BootNotification", BOOT)
        await trio.to_thread.run_sync(doomed.kill)
    async with client(system, tenant) as api:

        async def are_offline() -> bool:
            page = await read(api, "/charge-points", prefix=f"lost-by-{dead}-", online="false")
            return [item["id"] for item in page["items"]] == ids

        await until(are_offline, DEADLINE_S, every_s=0.5)
    system.bench.figure(f"sessions of {dead} that {living} reaped", len(ids))


@asynccontextmanager
async def client(system: System, tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    async with tenant.api(system.admin) as api:
        yield api


async def require_shown(bench: Bench, system: System, tenant: Tenant, when: str, running: Fleet) -> None:
    """Require that the API shows charge points, transactions and meter values, and none of them empty."""
    async with client(system, tenant) as api:
        page = await read(api, "/charge-points", limit="200", prefix="load-")
        empty = [item["id"] for item in page["items"] if not item.get("connection")]
        # A charge point that is changing its gateway has no connection for a moment.
        bench.require(
            len(empty) < len(page["items"]) / 2, f"{when}: {len(empty)} are shown without connection"
        )
        bench.require(len(page["items"]) == len(running.charge_points), f"{when}: {len(page['items'])} shown")
        stopped = [item async for item in list_items(api) if item["state"] == "stopped"]
        without = 0
        for item in stopped[:: max(1, len(stopped) // SHOWN)]:
            values = (await api.get(f"/transactions/{item['id']}/meter-values")).raise_for_status().json()
            without += not values["items"]
        bench.figure(f"{when}: charge points, stopped transactions", f"{len(page['items'])}, {len(stopped)}")
        bench.require(bool(stopped), f"{when}: no transaction was shown")
        bench.require(not without, f"{when}: {without} transactions were shown without meter values")
