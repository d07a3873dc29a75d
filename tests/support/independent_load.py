"""A small load test that shares no code with `loadtest`, to compare its numbers with.

It uses `websockets` on asyncio in a process of its own. Each charge point boots and then calls at a fixed
rate, each at its own phase. The corrected latency of a call counts from its intended time, and the service
latency from the time at which it was sent.

    measured = measure(url, charge_points=10, per_second=10, seconds=60)
"""

import argparse
import asyncio
import json
import math
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from websockets import Subprotocol
from websockets.asyncio.client import ClientConnection, connect


@dataclass(frozen=True)
class Spread:
    """Seconds."""

    p50: float
    p99: float
    p999: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> Self:
        ordered = sorted(values)
        return cls(*(ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.99, 0.999, 1.0)))


@dataclass(frozen=True)
class Measured:
    calls: int
    corrected: Spread
    service: Spread


def measure(url: str, *, charge_points: int, per_second: float, seconds: float) -> Measured:
    """Measure in a process of its own. `url` has `{id}`, and `per_second` is the rate of one charge point."""
    argv = [sys.executable, "-m", "tests.support.independent_load", url]
    options = ["--charge-points", charge_points, "--per-second", per_second, "--seconds", seconds]
    done = subprocess.run(
        [*argv, *map(str, options)],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 120,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return Measured(found["calls"], Spread(**found["corrected"]), Spread(**found["service"]))


@dataclass
class Station:
    """A charge point. `latencies` are pairs of the corrected and the service latency."""

    connection: ClientConnection
    latencies: list[tuple[float, float]]
    calls: int = 0

    async def call(self, action: str, payload: dict[str, Any], intended: float | None = None) -> Any:
        self.calls += 1
        id_, sent = f"i-{self.calls}", time.perf_counter()
        await self.connection.send(json.dumps([2, id_, action, payload]))
        kind, answered_id, result = json.loads(await self.connection.recv())
        answered = time.perf_counter()
        assert (kind, answered_id) == (3, id_), (kind, answered_id)
        if intended is not None:
            self.latencies.append((answered - intended, answered - sent))
        return result

    async def play(self, begin: float, every_s: float, end: float) -> None:
        number = 0
        while (intended := begin + number * every_s) < end:
            await asyncio.sleep(max(0.0, intended - time.perf_counter()))
            await self.call("Heartbeat", {}, intended)
            number += 1


async def _run(url: str, charge_points: int, per_second: float, seconds: float) -> Measured:
    latencies: list[tuple[float, float]] = []
    stations = [
        Station(await _connect(url.replace("{id}", f"IND{number:06d}")), latencies)
        for number in range(charge_points)
    ]
    for station in stations:
        booted = await station.call(
            "BootNotification", {"chargePointVendor": "Else", "chargePointModel": "Other"}
        )
        assert booted["status"] == "Accepted"
    every_s, begin = 1 / per_second, time.perf_counter() + 0.2
    async with asyncio.TaskGroup() as group:
        for number, station in enumerate(stations):
            phase = begin + every_s * number / charge_points
            group.create_task(station.play(phase, every_s, begin + seconds))
    for station in stations:
        await station.connection.close()
    corrected, service = ([pair[place] for pair in latencies] for place in (0, 1))
    return Measured(len(latencies), Spread.of(corrected), Spread.of(service))


async def _connect(url: str) -> ClientConnection:
    return await connect(
        url, subprotocols=[Subprotocol("ocpp1.6")], compression=None, ping_interval=None, open_timeout=60
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Call Heartbeat at a fixed rate, and print latencies as JSON."
    )
    parser.add_argument("url")
    parser.add_argument("--charge-points", type=int, required=True)
    parser.add_argument("--per-second", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    asked = parser.parse_args()
    found = asyncio.run(_run(asked.url, asked.charge_points, asked.per_second, asked.seconds))
    sys.stdout.write(json.dumps(asdict(found)))
