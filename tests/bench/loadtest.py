"""Measure what a charge point of the load test costs: `python -m tests.bench.loadtest`, some five minutes.

The first table has the proportional memory of each charging charge point, as the slope from few to many. The
second table has the CPU time of a call, whose answer is checked and recorded. The server is a process of its
own on another core, which answers without thinking. The generator is a fresh process for each row.
"""

# ruff: noqa: T201  its results are what it prints

import argparse
import gc
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import trio
import trustme

from gateway.websocket.http_upgrade import Upgrade
from gateway.websocket.limits import Limits
from gateway.websocket.listeners import open_listeners
from gateway.websocket.server import serve
from gateway.websocket.stats import Stats
from gateway.websocket.tls import server_context
from loadtest.charge_point.charge_point import ChargePoint
from loadtest.charge_point.connecting import Access, Connector
from loadtest.charge_point.wheel import Wheel
from loadtest.charge_point.world import World
from loadtest.correctness.checks import Checks
from loadtest.correctness.notes import Notes
from loadtest.history import Journal
from loadtest.measuring.recording import Recorder
from loadtest.scenario.dice import Dice
from loadtest.scenario.model import Arrival, Charging, Fleet, Group, Scenario, Stage
from loadtest.scenario.population import charge_point_id, id_tag_of
from loadtest.scenario.timeline import Timeline

CONNECT_PER_S = 200
ANSWERS = {
    "Authorize": b'{"idTagInfo":{"status":"Accepted"}}',
    "BootNotification": b'{"status":"Accepted","currentTime":"2026-01-31T12:00:00Z","interval":300}',
    "Heartbeat": b'{"currentTime":"2026-01-31T12:00:00Z"}',
    "StopTransaction": b"{}",
}


async def answer(upgrade: Upgrade) -> None:
    connection = await upgrade.accept("ocpp1.6")
    transactions = 0

    async def on_text(text: bytes) -> None:
        nonlocal transactions
        _, id_, action, _ = text.split(b",", 3)
        name = action.strip(b'"').decode()
        if name == "StartTransaction":
            transactions += 1
            result = b'{"transactionId":%d,"idTagInfo":{"status":"Accepted"}}' % transactions
        else:
            result = ANSWERS.get(name, b"{}")
        await connection.send(b"[3,%b,%b]" % (id_, result))

    await connection.run(on_text)


async def run_server(files: list[str]) -> None:
    context = server_context([(Path(files[0]), Path(files[1]))], require_sni=False) if files else None
    async with trio.open_nursery() as nursery:
        server = await nursery.start(
            partial(
                serve,
                open_listeners("127.0.0.1", 0),
                handle=answer,
                tls=None if context is None else lambda: context,
                limits=Limits(connections=30_000, handshakes_in_flight=5_000),
                stats=Stats(),
            )
        )
        print(server.ports[0], flush=True)
        async for _ in trio.wrap_file(sys.stdin):
            pass
        nursery.cancel_scope.cancel()


def make_scenario(charge_points: int, calls_per_s: float, seconds: float) -> Scenario:
    """All connect and charge, and then either wait or send calls at a rate."""
    ramp_s = charge_points / CONNECT_PER_S + 5
    arrivals = (
        Arrival(action="Heartbeat", per_second=calls_per_s / 2),
        Arrival(action="MeterValues", per_second=calls_per_s / 4),
        Arrival(action="StatusNotification", per_second=calls_per_s / 4),
    )
    group = Group(
        name="charging",
        heartbeat_s=300.0,
        charging=Charging(charge_s=(3_600.0, 3_600.0), pause_s=(0.0, 2.0), values_s=60.0),
        arrivals=arrivals if calls_per_s else (),
    )
    return Scenario(
        name="bench",
        groups=(group,),
        fleet=Fleet(charge_points=charge_points),
        stages=(
            Stage(name="ramp", kind="ramp", seconds=ramp_s, connected=1.0, rate=0.0),
            Stage(name="settle", kind="hold", seconds=15.0, rate=0.0),
            Stage(name="hold", kind="hold", seconds=seconds),
        ),
    )


async def run_generator(port: int, ca: str, plan: Scenario, folder: Path) -> dict[str, float]:
    """Return the memory after the fleet has settled, and the CPU time of a call in the hold."""
    context = ssl.create_default_context(cafile=ca) if ca else None
    url = f"{'wss' if ca else 'ws'}://127.0.0.1:{port}/"
    begin, wheel = trio.current_time(), Wheel()
    recorder, timeline, notes = Recorder(begin), Timeline(plan), Notes(folder / "notes")
    recorder.enter("ramp", begin)
    spans = {span.name: span for span in timeline.spans}
    with Journal(folder / "journal") as journal:
        async with trio.open_nursery() as nursery:

            def access(index: int, id_: str) -> Access:
                return Access(f"{url}{id_}", context, (), f"127.0.0.{2 + index % 50}")

            world = World(
                scenario=plan,
                timeline=timeline,
                begin=begin,
                wheel=wheel,
                recorder=recorder,
                checks=Checks(
                    Dice(1, 0, "checks"),
                    plan.checks.schemas_share,
                    charge_points=plan.fleet.charge_points,
                    charge_point_id=lambda index: charge_point_id(plan, index),
                    faulty=(),
                    now=lambda: trio.current_time() - begin,
                    notes=notes,
                ),
                journal=journal,
                connect=Connector(access, nursery.start_soon, 20.0).connect,
                start_soon=nursery.start_soon,
                id_of=lambda index: charge_point_id(plan, index),
                id_tag_of=lambda index: id_tag_of(plan, index),
            )
            fleet = [ChargePoint(index, world) for index in range(plan.fleet.charge_points)]
            for one in fleet:
                one.begin()
            nursery.start_soon(wheel.run)
            await trio.sleep_until(begin + spans["hold"].begin - 1)
            gc.collect()
            found: dict[str, float] = {"kib": pss_kib(), "booted": recorder.booted}
            recorder.enter("hold", begin + spans["hold"].begin)
            await trio.sleep_until(begin + spans["hold"].begin)
            found["us"] = await measure_calls(recorder, begin + spans["hold"].end)
            found["errors"] = sum(recorder.errors.values())
            nursery.cancel_scope.cancel()
    notes.close()
    return found


async def measure_calls(recorder: Recorder, end: float) -> float:
    """Return the CPU time of a call in microseconds, as the median of seconds, because machines are noisy."""
    costs: list[float] = []
    while trio.current_time() < end - 0.5:
        cpu_s, calls = time.process_time(), recorder.snapshot().counts["hold"].get("calls", 0)
        await trio.sleep(1)
        calls = recorder.snapshot().counts["hold"].get("calls", 0) - calls
        costs.append(1e6 * (time.process_time() - cpu_s) / max(1, calls))
    return median(costs)


def pss_kib() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("Pss:")).split()[1])


def measure(
    files: list[str], ca: str, charge_points: int, calls_per_s: float, seconds: float
) -> dict[str, Any]:
    """Run a server and a generator, and return what the generator found."""
    base = [sys.executable, "-m", "tests.bench.loadtest"]
    with subprocess.Popen(
        [*base, "--serve", *files], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(server.pid, {cores[0]})
        try:
            assert server.stdout is not None
            port = server.stdout.readline().strip()
            load = ["--generate", port, str(charge_points), str(calls_per_s), str(seconds), ca]
            found = subprocess.run(
                ["taskset", "-c", str(cores[-1]), *base, *load], stdout=subprocess.PIPE, check=True
            )
        finally:
            server.terminate()
    result: dict[str, Any] = msgspec.json.decode(found.stdout)
    assert result["booted"] == charge_points, result
    return result


def report(few: int, many: int, calls_per_s: float, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place, authority = Path(folder), trustme.CA()
        issued = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA)
        issued.cert_chain_pems[0].write_to_path(place / "chain.pem")
        issued.private_key_pem.write_to_path(place / "key.pem")
        authority.cert_pem.write_to_path(place / "ca.pem")
        kinds = {"ws": ([], ""), "wss": ([f"{place}/chain.pem", f"{place}/key.pem"], f"{place}/ca.pem")}
        print(f"{'':4} KiB a charge point ({few} to {many})   us of CPU a call at {calls_per_s:g}/s")
        for name, (files, ca) in kinds.items():
            low, high = (measure(files, ca, count, 0, 1)["kib"] for count in (few, many))
            calls = measure(files, ca, few, calls_per_s, seconds)
            kib, errors = (high - low) / (many - few), calls["errors"]
            print(f"{name:4} {kib:28.1f}   {calls['us']:20.1f}   errors {errors:g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=5_000)
    parser.add_argument("--calls-per-second", type=float, default=2_000.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--serve", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--generate", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        gc.set_threshold(50_000, 20, 100)
        trio.run(run_server, options.serve)
    elif options.generate is not None:
        port, count, rate, seconds, ca = options.generate
        gc.set_threshold(50_000, 20, 100)
        plan = make_scenario(int(count), float(rate), float(seconds))
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(trio.run(run_generator, int(port), ca, plan, Path(folder))))
    else:
        report(options.few, options.many, options.calls_per_second, options.seconds)


if __name__ == "__main__":
    main()
