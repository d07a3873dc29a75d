"""Clocks that are stepped by an hour: that of the store, of a gateway and of an admin process."""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, override

import httpx
import trio

from state.embedded import child_process
from state.embedded.embedded import server_arguments
from tests.chaos.bench import Bench, leg
from tests.chaos.fleet import BRISK, Fleet, fleet, judge, summarise
from tests.support.valkey_server import ValkeyServer
from tests.support.waiting import wait_until
from tests.system import central
from tests.system.central import Central, Process, Tenant

HOUR_S = 3_600
LONGEST_S = 15.0
SILENT_S = 4
"""Deadline of a command to a charge point that does not answer."""


class SteppedClock:
    """The wall clock of one process, by libfaketime. Its monotonic clock stays as it is."""

    def __init__(self, directory: Path, name: str) -> None:
        self.name = name
        self._file = directory / f"{name}.clock"
        self.step(0)

    def step(self, seconds: int) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.replace(self._file)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(find_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


def find_library() -> Path | None:
    return next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)


class SteppedValkey(ValkeyServer):
    def __init__(self, directory: Path, clock: SteppedClock) -> None:
        super().__init__(directory)
        self._clock = clock

    @override
    def start(self) -> None:
        variables = [f"{name}={value}" for name, value in self._clock.environment.items()]
        argv = ["env", *variables, *server_arguments(self.path)]
        self._child = child_process.start(argv, cwd=self.directory)
        wait_until(self._answers)


@leg(
    "clock",
    criterion="The store's clock one hour forth and back (libfaketime): no mass disconnect, no deadline "
    "longer by the step. A clock stepped by one hour either way: no 503, no 409, no 504 for what was done, "
    "commands in under 0.1 s afterwards.",
    minutes=4,
    central=False,
)
async def clock(bench: Bench) -> None:
    """Step the clocks of the store, a gateway and the admin process by an hour, forth and back."""
    if find_library() is None:
        bench.require(False, "libfaketime is missing; apt-get install libfaketime")
        return
    clocks = {name: SteppedClock(bench.directory, name) for name in ("store", "gateway", "admin")}
    store = SteppedValkey(bench.directory / "store", clocks["store"])
    with ExitStack() as stack:
        stack.callback(store.stop)
        store.start()
        key = await central._api_key(store.url)
        admin = start(bench, ("admin", "serve"), store.url, "PORT", clocks["admin"])
        stack.callback(admin.stop)
        gateway = start(bench, ("gateway",), store.url, "WS_PORT", clocks["gateway"])
        stack.callback(gateway.stop)
        for process in (admin, gateway):
            await trio.to_thread.run_sync(process.wait_ready)
        system = Central(bench.directory, store, admin, key)
        tenant = await trio.to_thread.run_sync(system.tenant)
        await step_all(bench, tenant, gateway, clocks)
    for log in bench.directory.glob("*.log"):
        bench.require("Traceback" not in log.read_text(), f"a traceback in {log.name}")


def start(bench: Bench, module: tuple[str, ...], store: str, port: str, of: SteppedClock) -> Process:
    return Process(
        module, {**central._common(store, port), **of.environment}, bench.directory / f"{of.name}.log"
    )


async def step_all(bench: Bench, tenant: Tenant, gateway: Process, clocks: dict[str, SteppedClock]) -> None:
    size = bench.scaled(100, least=10)
    ids = [f"c{n}" for n in range(size)]

    def serve(id_: str, _action: str, _payload: Any) -> Any:
        return None if id_ == ids[0] else {"status": "Accepted"}

    steps = (HOUR_S, 0, -HOUR_S, 0) if bench.scale >= 0.5 else (HOUR_S, -HOUR_S, 0)
    async with (
        fleet(bench, ids, lambda id_: tenant.url(gateway, id_), habits=BRISK, serve=serve) as running,
        tenant.api() as api,
    ):
        await running.wait_connected()
        await running.wait_acknowledged(size)
        quiet = await quiet_median(api, ids[1])
        bench.figure("median of commands before, s", quiet)
        for name, of in clocks.items():
            for seconds in steps:
                await step(bench, of, seconds, running, api, max(0.1, 2 * quiet))
            bench.require(running.connections == size, f"{name}: sessions ended {running.count('ends')}")
        await judge(bench, running, api, None, tenant.id)


async def quiet_median(api: httpx.AsyncClient, id_: str) -> float:
    """Return how long a command takes on this machine now."""
    times = []
    for _ in range(20):
        began = trio.current_time()
        await api.post(f"/charge-points/{id_}/commands/ClearCache?timeout=10", json={})
        times.append(trio.current_time() - began)
        await trio.sleep(0.1)
    return summarise(times)["median"]


async def step(
    bench: Bench, of: SteppedClock, seconds: int, running: Fleet, api: httpx.AsyncClient, most_s: float
) -> None:
    """Step one clock, with a command under way that nobody answers, and send others."""
    silent: list[float] = []
    statuses: Counter[int] = Counter()
    times: list[float] = []
    ids = [one.id for one in running.charge_points]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask_silent, api, ids[0], silent)
        await trio.sleep(1)
        of.step(seconds)
        stepped = trio.current_time()
        nursery.start_soon(ask_silent, api, ids[0], silent)
        for number in range(30):
            began = trio.current_time()
            if began > stepped + LONGEST_S:
                break
            path = f"/charge-points/{ids[1 + number % (len(ids) - 1)]}/commands/ClearCache?timeout=10"
            statuses[(await api.post(path, json={})).status_code] += 1
            if began > stepped + 1:
                times.append(trio.current_time() - began)
            await trio.sleep(0.1)
        errors = len([one for one in running.answers if one.error and one.answered > stepped])
    name = f"{of.name} {seconds / HOUR_S:+.0f} h"
    took = summarise(times)
    bench.figure(
        f"{name}: statuses, median and max of commands, unanswered ones",
        f"{dict(statuses)}, {took['median']:.3f} s, {took['max']:.3f} s, "
        + " and ".join(f"{one:.1f} s" for one in silent),
    )
    bench.require(set(statuses) == {200}, f"{name}: commands got {dict(statuses)}")
    bench.require(took["median"] < most_s, f"{name}: commands took {took['median']:.3f} s")
    bench.require(not errors, f"{name}: {errors} calls of charge points were refused")
    bench.require(
        len(silent) == 2 and all(SILENT_S - 0.5 < one < SILENT_S * 2 + 1 for one in silent),
        f"{name}: commands with a deadline of {SILENT_S} s ended after {silent}",
    )


async def ask_silent(api: httpx.AsyncClient, id_: str, took: list[float]) -> None:
    """Send a command that is not answered, and note after how long it ended. Nothing waits a whole hour."""
    began = trio.current_time()
    with trio.move_on_after(30):
        await api.post(f"/charge-points/{id_}/commands/ClearCache?timeout={SILENT_S}", json={}, timeout=40)
    took.append(trio.current_time() - began)
