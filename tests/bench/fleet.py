"""Measure what the work of a fleet costs a gateway and the store: `python -m tests.bench.fleet`.

`csms up` with one worker serves charge points of the load test over wss, in one run for each kind of work.
Every row has the CPU time of the processes, which depends less on other jobs than the time on a clock. The
cost of a charge point that does nothing is in the first row, and that of the processes themselves is taken
off. All takes a quarter of an hour.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, NamedTuple

import trio

from loadtest.measuring.histograms import Distribution
from loadtest.reports import json_file
from tests.bench.gateway.processes import System, csms_up, read_store
from tests.support.processes import cpu_s, resident_kib

_EMPTY_S = 20.0
_CONNECTS_PER_SECOND = 50.0
_SCENARIO = """\
name = "{name}"
[fleet]
charge_points = {charge_points}
prefix = "FLEET"
{groups}
[[stages]]
name = "connect"
kind = "ramp"
seconds = {ramp_s}
connected = 1.0
[[stages]]
name = "settle"
kind = "hold"
seconds = {settle_s}
[[stages]]
name = "hold"
kind = "hold"
seconds = {hold_s}
[[stages]]
name = "leave"
kind = "ramp"
seconds = {ramp_s}
connected = 0.0
"""
_GROUP = '[[groups]]\nname = "{}"\nweight = {}\nheartbeat_s = {}\nconnectors = 2\n'
_CHARGING = "[groups.charging]\ncharge_s = [{}, {}]\npause_s = [{}, {}]\nvalues_s = {}\n"
_ARRIVALS = '[[groups.arrivals]]\naction = "{}"\nper_second = {}\n'
_BACK = '[groups.reconnect]\nmodel = "jitter"\nfirst_s = 0.0\nlongest_s = 10.0\n'
_STORM = '[[storms]]\nstage = "hold"\nshare = 1.0\nhow = "reset"\n'


_LASTING = {"idle", "mixed"}
"""Work that is the same at any time, so its cost is for a second."""


class Work(NamedTuple):
    """`per` is the action whose number divides the cost. Without it, the number of charge points does."""

    groups: str
    settle_s: float
    hold_s: float
    per: str = ""


WORK = {
    # A charge point that sends nothing gets a PING each minute, so the measurement begins after a minute.
    "idle": Work(_GROUP.format("idle", 1, 300.0), 65, 90),
    "Heartbeat": Work(_GROUP.format("beat", 1, 5.0), 5, 40, "Heartbeat"),
    "MeterValues": Work(
        _GROUP.format("values", 1, 0.0) + _CHARGING.format(3600.0, 3600.0, 0.0, 5.0, 5.0),
        10,
        40,
        "MeterValues",
    ),
    "StatusNotification": Work(
        _GROUP.format("states", 1, 0.0) + _ARRIVALS.format("StatusNotification", 100.0),
        5,
        40,
        "StatusNotification",
    ),
    "transaction": Work(
        _GROUP.format("charges", 1, 0.0) + _CHARGING.format(40.0, 40.0, 40.0, 40.0, 1000.0),
        40,
        60,
        "StopTransaction",
    ),
    "reconnect": Work(_GROUP.format("idle", 1, 300.0) + _BACK + _STORM, 5, 25),
    "mixed": Work(
        _GROUP.format("idle", 3, 300.0)
        + _GROUP.format("charges", 1, 300.0)
        + _CHARGING.format(60.0, 240.0, 10.0, 30.0, 60.0),
        65,
        120,
    ),
}


class Reading(NamedTuple):
    """What the processes have used so far: seconds of CPU, and bytes of the file and memory of the store."""

    at: float
    gateway: float
    server: float
    file: float
    memory: float

    @classmethod
    def read(cls, system: System) -> "Reading":
        file, memory = trio.run(read_store, system)
        return cls(time.monotonic(), cpu_s(system.gateway), cpu_s(system.server), file, memory)

    def since(self, before: "Reading") -> "Reading":
        return Reading(*(now - then for now, then in zip(self, before, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fleet", description=__doc__)
    parser.add_argument("--charge-points", type=int, default=1_000)
    parser.add_argument("--only", nargs="+", choices=WORK, default=list(WORK))
    options = parser.parse_args()
    with csms_up() as system:
        before = Reading.read(system)
        time.sleep(_EMPTY_S)
        empty = Reading.read(system).since(before)
        _say(f"without charge points: {_describe(empty)}; {resident_kib(system.gateway)} KiB resident")
        for name in options.only:
            _measure(system, name, options.charge_points, empty)


def _measure(system: System, name: str, charge_points: int, empty: Reading) -> None:
    work, before = WORK[name], Reading.read(system)
    spent, calls = _run(system, name, charge_points)
    memory = Reading.read(system).memory - before.memory
    shown = ", ".join(f"{count} {action}" for action, count in calls.items())
    _say(f"{name}: {spent.at:.0f} s, {_describe(spent)}; {shown}; load {os.getloadavg()[0]:.1f}")
    _say(
        f"  after it: {resident_kib(system.gateway)} KiB resident, {memory / 1024:.0f} KiB more in the store"
    )
    divisor = calls[work.per] if work.per else charge_points
    unit = work.per or "charge point"
    if name in _LASTING:
        divisor, unit = int(divisor * spent.at), "charge point and second"
    over = [spent[n] - empty[n] * spent.at / empty.at for n in (1, 2)]
    _say(
        f"  each {unit}: {over[0] / divisor * 1e6:.1f} us of the gateway, {over[1] / divisor * 1e6:.1f} us of"
        f" the store, {spent.file / divisor:.0f} bytes of file"
    )


def _describe(spent: Reading) -> str:
    gateway, server = spent.gateway / spent.at, spent.server / spent.at
    return f"{gateway:.2%} of a core of the gateway, {server:.2%} of the store"


def _run(system: System, name: str, charge_points: int) -> tuple[Reading, dict[str, int]]:
    """Return what the hold took, and the number of its calls by action."""
    directory, work = Path(system.data_dir), WORK[name]
    scenario, results = directory / "scenario.toml", directory / "results.json"
    scenario.write_text(
        _SCENARIO.format(
            name=name,
            charge_points=charge_points,
            groups=work.groups,
            ramp_s=charge_points / _CONNECTS_PER_SECOND,
            settle_s=float(work.settle_s),
            hold_s=float(work.hold_s),
        )
    )
    url = system.url("{id}", secure=True)
    options = ["--url", url, "--ca-file", system.ca_file, "--output", str(results), "--progress", "jsonl"]
    run = subprocess.Popen(
        [sys.executable, "-m", "loadtest", "run", str(scenario), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert run.stderr is not None
    with run.stderr as lines:
        spent = _watch(system, lines)
    run.wait()
    # The verdict does not matter: a generator that was late does not change what the calls cost.
    found = json_file.read(results)
    if errors := {name: count for name, count in found.errors.items() if name != "connection lost 1006"}:
        _say(f"  errors: {errors}")
    return spent, {
        each.name: Distribution.of_hdr([each.hdr]).total
        for each in found.latencies
        if (each.what, each.stage, each.clock) == ("call", "hold", "service")
    }


def _watch(system: System, lines: IO[bytes]) -> Reading:
    """Return what was used from the begin of the hold until its end."""
    found: dict[str, Reading] = {}
    for line in lines:
        if line.startswith(b"{") and (stage := json.loads(line)["stage"]) not in found:
            found[stage] = Reading.read(system)
    return found["leave"].since(found["hold"])


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
