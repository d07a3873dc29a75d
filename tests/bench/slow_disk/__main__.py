"""Measure what a slow disk of the store costs: `python -m tests.bench.slow_disk`, some three minutes.

A library (`slow_fsync.c`, compiled here, which needs a C compiler) makes each fsync of Valkey take at least
so long. One gateway serves charge points that start and stop transactions. `saturated` keeps one call of each
in flight, and counts acknowledged starts and stops. `paced` sends calls at a fixed rate, whatever the answers
do, and counts the latency from the time at which the call was due.
"""

import argparse
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median

import trio

from state.store import StoreConfig, open_store
from tests.bench.gateway.raw_client import RawChargePoint
from tests.support.processes import cpu_s
from tests.system.central import Central, Process, central_system

_BOOT = b'{"chargePointVendor":"csms","chargePointModel":"bench"}'
_START = b'{"connectorId":1,"idTag":"TAG","meterStart":0,"timestamp":"%b"}'
_STOP = b'{"transactionId":%d,"idTag":"TAG","meterStop":9,"timestamp":"%b"}'
_WRITES = 100
_ANSWERS_S = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.slow_disk", description=__doc__)
    parser.add_argument("--fsync-ms", type=float, nargs="+", default=[0, 1, 2, 5, 10, 20])
    parser.add_argument("--charge-points", type=int, default=400)
    parser.add_argument("--per-second", type=float, default=100.0, help="paced calls")
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds of each measurement")
    options = parser.parse_args()
    _say(
        "fsync at least, ms | a write, ms | acknowledged a second | p50, p99 of starts, ms | of stops | load"
    )
    with tempfile.TemporaryDirectory(prefix="csms-bench-") as directory:
        library = _compile(Path(directory))
        for fsync_ms in options.fsync_ms:
            place = Path(directory) / f"{fsync_ms:g}"
            place.mkdir()
            env = {**os.environ, "LD_PRELOAD": str(library), "SLOW_FSYNC_US": f"{fsync_ms * 1000:.0f}"}
            with central_system(place, env=env) as central:
                _measure(central, fsync_ms, options)


def _compile(directory: Path) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        raise SystemExit("bench: there is no C compiler (cc), which makes the library that slows fsync")
    library = directory / "slow_fsync.so"
    source = Path(__file__).with_name("slow_fsync.c")
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library


def _measure(central: Central, fsync_ms: float, options: argparse.Namespace) -> None:
    write_ms = trio.run(_time_a_write, central.valkey.url)
    gateway = central.start_gateway(limits__handshakes_per_second=0)
    try:
        gateway.wait_ready()
        fleet = _connect(central, gateway, options.charge_points)
        used, stored = cpu_s(gateway.pid), cpu_s(central.valkey.pid)
        acknowledged = _saturate(fleet, options.seconds)
        used, stored = cpu_s(gateway.pid) - used, cpu_s(central.valkey.pid) - stored
        found = _pace(fleet, options.per_second, options.seconds)
    finally:
        gateway.stop()
    times = " | ".join(
        f"{median(each) * 1e3:.1f}, {sorted(each)[int(len(each) * 0.99)] * 1e3:.1f} ({len(each)})"
        for each in found
    )
    cores = (
        f"{used / options.seconds:.0%} of a core of the gateway, {stored / options.seconds:.0%} of the store"
    )
    rate = f"{acknowledged / options.seconds:,.0f} ({cores})"
    _say(f"{fsync_ms:g} | {write_ms:.2f} | {rate} | {times} | {os.getloadavg()[0]:.1f}")


async def _time_a_write(url: str) -> float:
    """Return the milliseconds of one write at a time."""
    times = []
    async with open_store(StoreConfig(url=url)) as store:
        for number in range(_WRITES):
            begin = time.perf_counter()
            await store.execute("SET", "bench", number)
            times.append(time.perf_counter() - begin)
        await store.execute("DEL", "bench")
    return median(times) * 1e3


class _Charging(RawChargePoint):
    """Starts and stops transactions in turn."""

    def send(self) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()).encode()
        if self.transaction_id:
            self.call("StopTransaction", lambda _: _STOP % (self.transaction_id, now))
        else:
            self.call("StartTransaction", lambda _: _START % now)

    def receive(self) -> None:
        answer = self.socket.recv(4096)
        if b"[3," not in answer[:8] or b"Accepted" not in answer:
            raise ConnectionError(f"the answer was {answer[:200]!r}")
        if self.transaction_id:
            self.transaction_id = 0
        else:
            number = answer.rpartition(b'"transactionId":')[2]
            self.transaction_id = int(number.partition(b"}")[0].partition(b",")[0])


def _connect(central: Central, gateway: Process, count: int) -> list[_Charging]:
    tenant = central.tenant()

    async def make_tag() -> None:
        async with tenant.api() as api:
            (await api.put("/id-tags/TAG", json={})).raise_for_status()

    trio.run(make_tag)
    fleet = [_Charging(tenant.url(gateway, f"B{number:05d}"), None, number) for number in range(count)]
    for one in fleet:
        one.ask("BootNotification", _BOOT)
    return fleet


def _saturate(fleet: Sequence[_Charging], seconds: float) -> int:
    poll, by_file = _watch(fleet)
    for one in fleet:
        one.send()
    answered, end = 0, time.monotonic() + seconds
    waiting = set(by_file)
    while waiting and time.monotonic() < end + _ANSWERS_S:
        for file, _ in poll.poll(1):
            by_file[file].receive()
            if time.monotonic() < end:
                answered += 1
                by_file[file].send()
            else:
                waiting.discard(file)
    return answered


def _pace(fleet: Sequence[_Charging], per_second: float, seconds: float) -> tuple[list[float], list[float]]:
    """Let charge points send in turn. Return the seconds of each start and of each stop."""
    poll, by_file = _watch(fleet)
    due: dict[int, float] = {}
    starts: list[float] = []
    stops: list[float] = []
    begin, sent, total = time.monotonic(), 0, int(per_second * seconds)
    while sent < total or due:
        now = time.monotonic()
        while sent < total and begin + sent / per_second <= now:
            one = fleet[sent % len(fleet)]
            due[one.socket.fileno()] = begin + sent / per_second
            one.send()
            sent += 1
        wait = begin + sent / per_second - time.monotonic() if sent < total else 1.0
        for file, _ in poll.poll(max(0.0, wait)):
            took = time.monotonic() - due.pop(file)
            (stops if by_file[file].transaction_id else starts).append(took)
            by_file[file].receive()
    return starts, stops


def _watch(fleet: Sequence[_Charging]) -> tuple[select.epoll, dict[int, _Charging]]:
    poll, by_file = select.epoll(), {one.socket.fileno(): one for one in fleet}
    for file in by_file:
        poll.register(file, select.EPOLLIN)
    return poll, by_file


_say = partial(print, file=sys.stdout, flush=True)


if __name__ == "__main__":
    main()
