"""Runs the load test against a new csms, and reads what the processes use meanwhile."""

import subprocess
import sys
import time
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from loadtest.reports import json_file
from loadtest.results import Results as LoadTest
from tests.bench.gateway.processes import System, csms_up
from tests.bench.scale.readings import Cpu, Memory, find_generators
from tests.bench.scale.results import (
    BUILD,
    Size,
    Storm,
    find_times_back,
    greatest_handshakes,
    see,
)
from tests.bench.scale.scenario import HOLD, MEMORY, STORM, How, make_hold, make_storm

PER_GATEWAY: Final = 13_000
"""Charge points of a gateway. It may have 15,000, and the kernel does not spread connections evenly."""
_EMPTY_S: Final = 10.0


class Plan(NamedTuple):
    """`workers` and `generators` are None where their number follows the size of the fleet."""

    workers: int | None
    generators: int | None
    per_second: float
    settle_s: float
    hold_s: float
    say: Callable[[str], None]

    def find_workers(self, charge_points: int) -> int:
        return self.workers or max(2, ceil(charge_points / PER_GATEWAY))


class _Now(msgspec.Struct):
    at_s: float
    stage: str
    connected: int


def measure_size(plan: Plan, charge_points: int) -> Size:
    with csms_up(plan.find_workers(charge_points)) as system:
        before, empty = Memory.read(system, []), _measure_empty(system)
        found: dict[str, Any] = {}

        def look(now: _Now, generators: list[int]) -> None:
            found[now.stage] = Cpu.read(system, generators)
            if now.stage == MEMORY:
                found["KiB"] = Memory.read(system, generators).less(before)

        scenario = make_hold(charge_points, plan.per_second, plan.settle_s, plan.hold_s)
        name = f"hold-{charge_points}"
        results = _run(plan, system, name, scenario, look)
        if MEMORY not in found:
            raise SystemExit(f"bench: the load test ended before the end of its hold; see {BUILD / name}.txt")
        return Size(
            charge_points=charge_points,
            gateways=len(system.gateways()),
            generators=len({one.process for one in results.generator}),
            hold_s=plan.hold_s,
            seen=see(results, HOLD),
            empty=empty,
            cpu=found[MEMORY].since(found[HOLD]),
            memory=found["KiB"],
        )


def measure_storm(plan: Plan, charge_points: int, how: How) -> Storm:
    with csms_up(plan.find_workers(charge_points)) as system:
        gateways = system.gateways()
        found: dict[str, Cpu] = {}

        def look(now: _Now, generators: list[int]) -> None:
            found[now.stage] = Cpu.read(system, generators)

        scenario = make_storm(charge_points, plan.per_second, how, gateways)
        results = _run(plan, system, f"storm-{how}-{charge_points}", scenario, look)
        stage = next(one for one in results.stages if one.name == STORM)
        times = [*(one.at for one in results.storms), *(one.at for one in results.actions)]
        at = min(times, default=stage.begin)
        cut, back_s = find_times_back(results.slices, at, stage.end)
        return Storm(
            charge_points=charge_points,
            gateways=len(gateways),
            generators=len({one.process for one in results.generator}),
            how=how,
            cut=cut,
            back_s=back_s,
            handshakes_per_second=greatest_handshakes(results.slices, at, stage.end),
            cpu=found["after"].since(found[STORM]),
            seen=see(results, "after"),
        )


def _measure_empty(system: System) -> Cpu:
    before = Cpu.read(system, [])
    time.sleep(_EMPTY_S)
    return Cpu.read(system, []).since(before)


def _run(
    plan: Plan, system: System, name: str, scenario: str, look: Callable[[_Now, list[int]], None]
) -> LoadTest:
    """Run a scenario, and call `look` once in each stage. The load test's own reports stay in BUILD."""
    files = {end: BUILD / f"{name}.{end}" for end in ("toml", "json", "html", "txt")}
    files["toml"].write_text(scenario)
    directory = Path(system.data_dir)
    url = f"{system.wss}/OCPP16/{system.tenant}/{{token}}/{{id}}"
    options = [
        *("--url", url, "--ca-file", system.ca_file, "--token-file", str(directory / "demo-token")),
        *("--admin-url", system.admin, "--api-key-file", str(directory / "api-key"), "--allow-actions"),
        *("--output", str(files["json"]), "--html", str(files["html"]), "--progress", "jsonl"),
        *([] if plan.generators is None else ["--processes", str(plan.generators)]),
    ]
    files["json"].unlink(missing_ok=True)
    with files["txt"].open("wb") as summary:
        run = subprocess.Popen(
            [sys.executable, "-m", "loadtest", "run", str(files["toml"]), *options],
            stdout=summary,
            stderr=subprocess.PIPE,
        )
        assert run.stderr is not None
        seen: set[str] = set()
        with run.stderr as lines:
            for line in lines:
                if not line.startswith(b"{"):
                    plan.say(line.decode(errors="replace").rstrip())
                elif (now := msgspec.json.decode(line, type=_Now)).stage not in seen:
                    seen.add(now.stage)
                    look(now, find_generators(run.pid))
                    plan.say(f"{name}: {now.stage} begins at {now.at_s:.0f} s, {now.connected:,} connected")
        run.wait()
    if not files["json"].exists():
        raise SystemExit(f"bench: the load test has no results; see {files['txt']}")
    return json_file.read(files["json"])
