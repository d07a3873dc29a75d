"""Measures idle charge points: those with connections, then those without, then a bystander beside all."""

import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import monotonic

import trio

from state.store import Store, StoreConfig, open_store
from state.tenants import tenants, tokens
from state.tenants.credentials import NewSecret
from tests.bench.upkeep.helpers import PEPPER, TENANT, Helper, helper
from tests.bench.upkeep.readings import Reading, read
from tests.support.valkey_server import ValkeyServer
from tests.system.central import Process

SETTLE_S = 15.0
TURN_S = 3.0
"""Time between a change of what the gateways do and a measurement."""
CONNECTS_PER_SECOND = 350.0
FLEET_PROCESSES = 3


@dataclass(frozen=True)
class Plan:
    driven: int
    """Charge points without connections. They are divided among `gateways` processes."""
    gateways: int
    connected: int
    """Charge points with connections, all to one further gateway."""
    seconds: float
    """Length of each measurement of costs."""
    rounds: int
    """Measurements of the bystander, each half with and half without upkeep."""
    round_s: float = 15.0
    release: Path | None = None
    """A directory with the release that the gateway with connections runs, instead of this one."""


@dataclass(frozen=True)
class Cost:
    """What one idle charge point costs the server."""

    main_us: float
    commands_us: float
    file_bytes: float
    """In a minute. The other figures are for a second."""


@dataclass
class Findings:
    driven: Cost | None = None
    connected: Cost | None = None
    fleet: list[int] = field(default_factory=list)
    """At the end: open connections, and Heartbeats, PINGs and closed connections so far."""
    bystander: dict[str, list[list[float]]] = field(default_factory=dict)
    """Median, p99 and the longest time of each round, in milliseconds."""

    def p99(self, when: str) -> float:
        """Return the p99 of the bystander's GET as the median of the rounds."""
        return median(one[1] for one in self.bystander[when])


async def measure(plan: Plan, say: Callable[[str], None]) -> Findings:
    with tempfile.TemporaryDirectory(prefix="csms-bench-") as directory, _one_core_for_the_store() as place:
        server = ValkeyServer(Path(directory), "--auto-aof-rewrite-percentage", "0")
        server.start()
        place(server.pid)
        try:
            async with AsyncExitStack() as stack:
                # The release before can only use a store that it made itself.
                gateway = await stack.enter_async_context(_gateway(server, plan)) if plan.connected else None
                store = await stack.enter_async_context(open_store(StoreConfig(url=server.url)))
                await tenants.put(store, TENANT, name=TENANT, auto_register=True)
                token = await tokens.create(store, PEPPER.encode(), TENANT)
                bystander = await stack.enter_async_context(helper("bystander", server.path))
                place(bystander.process.pid)
                return await _Measurement(plan, say, server, store, bystander).run(gateway, token)
        finally:
            server.stop()


@contextmanager
def _one_core_for_the_store() -> Iterator[Callable[[int], None]]:
    """Keep one core free of this process and its children. Yields a function that moves a process there.

    A store has a machine of its own. Without this, the bystander would mostly wait for a core on which a
    gateway runs. With a single core, nothing is moved.
    """
    cores = os.sched_getaffinity(0)
    [first, *others] = sorted(cores)
    os.sched_setaffinity(0, others or cores)

    def place(pid: int) -> None:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {first})

    try:
        yield place
    finally:
        os.sched_setaffinity(0, cores)


@asynccontextmanager
async def _gateway(server: ValkeyServer, plan: Plan) -> AsyncIterator[Process]:
    settings = {
        "STORE__URL": server.url,
        "SECURITY__PEPPER": PEPPER,
        "LISTEN__HOST": "127.0.0.1",
        "LISTEN__WS_PORT": "0",
        "LISTEN__HEALTH_PORT": "0",
        "DRAIN__WINDOW_S": "1",
    }
    if plan.release is None:  # The release before does not know this setting.
        settings["LIMITS__HANDSHAKES_PER_SECOND"] = "0"
    environ = {f"CSMS__{name}": value for name, value in settings.items()}
    process = Process(("gateway",), environ, server.directory / "gateway.log", release=plan.release)
    try:
        await trio.to_thread.run_sync(process.wait_ready)
        yield process
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(process.stop)


class _Measurement:
    def __init__(
        self,
        plan: Plan,
        say: Callable[[str], None],
        server: ValkeyServer,
        store: Store,
        bystander: Helper,
    ) -> None:
        self._plan = plan
        self._say = say
        self._server = server
        self._store = store
        self._bystander = bystander
        self.findings = Findings()

    async def run(self, gateway: Process | None, token: NewSecret) -> Findings:
        plan, findings = self._plan, self.findings
        async with AsyncExitStack() as stack:
            await self._watch("quiet", plan.rounds)
            fleets: list[Helper] = []
            if gateway is not None:
                without = await self._spend("a gateway without connections")
                url = f"ws://127.0.0.1:{gateway.ports['ws']}/OCPP16/{TENANT}/{token.secret}"
                fleets = [
                    await stack.enter_async_context(
                        helper("idle_fleet", url, first, end, CONNECTS_PER_SECOND / FLEET_PROCESSES)
                    )
                    for first, end in _shares(plan.connected, FLEET_PROCESSES)
                ]
                await self._ask_all(fleets, "connect")
                await trio.sleep(SETTLE_S)
                spent = await self._spend(f"{plan.connected} connections")
                findings.connected = _cost(plan.connected, without, spent)
                await self._watch("connected", plan.rounds)
            if plan.driven:
                nodes = [
                    await stack.enter_async_context(helper("driven", self._server.url, token.id, first, end))
                    for first, end in _shares(plan.driven, plan.gateways)
                ]
                await self._ask_all(nodes, "work")
                await trio.sleep(SETTLE_S)
                without = await self._spend("without the driven sessions")
                await self._ask_all(nodes, "begin")
                await trio.sleep(SETTLE_S)
                spent = await self._spend(f"with {plan.driven} driven sessions")
                findings.driven = _cost(plan.driven, without, spent)
                for _ in range(plan.rounds):
                    # No driven gateway judges others while it rests, so the paused one is not taken for dead.
                    await self._ask_all(nodes, "rest")
                    with _paused(gateway):
                        await trio.sleep(TURN_S)
                        await self._watch("rest", 1)
                    await self._ask_all(nodes, "work")
                    await trio.sleep(TURN_S)
                    await self._watch("work", 1)
            counts = await self._ask_all(fleets, "count")
            findings.fleet = [sum(one) for one in zip(*counts, strict=True)]
        if gateway is not None:
            await trio.to_thread.run_sync(gateway.stop)
        await self._watch("quiet", plan.rounds)
        return findings

    async def _spend(self, what: str) -> Reading:
        before, began = await read(self._store), monotonic()
        await trio.sleep(self._plan.seconds)
        spent = (await read(self._store)).per_second(before, monotonic() - began)
        calls = [f"{name} {count:.0f}" for name, count in sorted(spent.calls.items()) if count >= 0.5]
        self._say(
            f"{what}, each second: {spent.commands_us:.0f} us of commands, {spent.main_us:.0f} us of the main"
            f" thread, {spent.file_bytes:.0f} bytes of file; {', '.join(calls)} ({load()})"
        )
        return spent

    async def _watch(self, when: str, rounds: int) -> None:
        for _ in range(rounds):
            found = await self._bystander.ask(str(self._plan.round_s))
            self.findings.bystander.setdefault(when, []).append(found)
            self._say(
                f"bystander, {when}: p50 {found[0]:.2f}, p99 {found[1]:.2f}, longest {found[2]:.1f} ms"
                f" ({load()})"
            )

    async def _ask_all(self, helpers: list[Helper], line: str) -> list[list[int]]:
        answers: list[list[int]] = []

        async def ask(one: Helper) -> None:
            answers.append(await one.ask(line))

        async with trio.open_nursery() as nursery:
            for one in helpers:
                nursery.start_soon(ask, one)
        if helpers:
            self._say(f"{line}: {answers}")
        return answers


@contextmanager
def _paused(process: Process | None) -> Iterator[None]:
    if process is None:
        yield
        return
    process.child.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.child.send_signal(signal.SIGCONT)


def load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


def _shares(count: int, parts: int) -> list[tuple[int, int]]:
    return [(count * part // parts, count * (part + 1) // parts) for part in range(parts)]


def _cost(charge_points: int, without: Reading, with_them: Reading) -> Cost:
    return Cost(
        (with_them.main_us - without.main_us) / charge_points,
        (with_them.commands_us - without.commands_us) / charge_points,
        (with_them.file_bytes - without.file_bytes) * 60 / charge_points,
    )
