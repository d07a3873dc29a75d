"""The release before and this one on one store: a rolling change and back, under load."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import trio

from tests.chaos.bench import Bench, leg
from tests.chaos.fleet import Fleet, fleet, judge, list_items
from tests.chaos.workers import free_port
from tests.support.valkey_server import ValkeyServer
from tests.system import central
from tests.system.central import Central, Process, Tenant

BEFORE = "241fbe7"
"""The commit before: the newest one of the release that may be in use."""
SHOWN = 60


@contextmanager
def release_before(directory: Path) -> Iterator[Path]:
    """Check the commit before out into a directory of its own."""
    tree = directory / "before"
    git = ["git", "-C", str(Path.cwd())]
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

    def start(self, release: str, *module: str) -> Process:
        settings = central._common(self._store, "WS_PORT" if module == ("gateway",) else "PORT")
        if module == ("gateway",):
            settings |= {"CSMS__LISTEN__WS_PORT": str(self.port), "CSMS__DRAIN__WINDOW_S": "3"}
        log = self.bench.directory / f"{release}-{module[0]}.log"
        return Process(module, settings, log, release=self._trees[release])

    async def start_all(self, release: str) -> None:
        self.admin = self.start(release, "admin", "serve")
        await trio.to_thread.run_sync(self.admin.wait_ready)
        self.gateways = [self.start(release, "gateway") for _ in range(2)]
        for gateway in self.gateways:
            await trio.to_thread.run_sync(gateway.wait_ready)

    async def change_to(self, release: str) -> None:
        """Change one process after the other, the new one before the old one ends."""
        for place, old in enumerate(self.gateways):
            self.gateways[place] = self.start(release, "gateway")
            await trio.to_thread.run_sync(self.gateways[place].wait_ready)
            await trio.to_thread.run_sync(old.stop)
            self.bench.require(old.child.returncode == 0, f"a gateway ended with {old.child.returncode}")
            await trio.sleep(self.bench.scaled_s(15, least=5))
        old_admin = self.admin
        self.admin = self.start(release, "admin", "serve")
        await trio.to_thread.run_sync(self.admin.wait_ready)
        if old_admin is not None:
            await trio.to_thread.run_sync(old_admin.stop)

    def stop(self) -> None:
        for process in (*self.gateways, self.admin):
            if process is not None:
                process.stop()


@leg(
    "two-releases",
    criterion="The commit before this issue and this one on one store: a rolling change and back, under "
    "load: no fact lost, nothing shown empty.",
    minutes=3,
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
        async with fleet(bench, [f"b{n}" for n in range(size)], lambda id_: f"{address}/{id_}") as running:
            await running.wait_connected()
            await running.wait_acknowledged(2 * size)
            await require_shown(bench, system, tenant, "before", running)
            await system.change_to("now")
            await running.wait_acknowledged(size)
            await require_shown(bench, system, tenant, "now", running)
            await system.change_to("before")
            await running.wait_acknowledged(size)
            await require_shown(bench, system, tenant, "before again", running)
            async with client(system, tenant) as api:
                await judge(bench, running, api, None, tenant.id)
    for log in bench.directory.glob("*.log"):
        bench.require("Traceback" not in log.read_text(), f"a traceback in {log.name}")


@asynccontextmanager
async def client(system: System, tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    async with tenant.api(system.admin) as api:
        yield api


async def require_shown(bench: Bench, system: System, tenant: Tenant, when: str, running: Fleet) -> None:
    """Require that the API shows charge points, transactions and meter values, and none of them empty."""
    async with client(system, tenant) as api:
        page = (await api.get("/charge-points", params={"limit": "200"})).raise_for_status().json()
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
