"""Measure durable acknowledgements: how many starts and stops one gateway answers in a second, and how fast.

Run it with `python -m tests.bench.starts_and_stops`, three minutes. Each charge point starts a transaction
and stops it, in turn, and has one call in flight. A round saturates the gateway, then sends half of the rate
that it reached, and then `--per-second`. The store of `csms up` runs `appendfsync always`, so it has
synchronised a fact to the disk before the charge point gets the answer. The gateway has the first core. The
store and the client share the second one. `core 0` and `core 1` show how busy the cores were in all, so a
difference to the processes shows other work on this machine. While the store rewrites its file, which its
log says, a second process takes part of its core and of the disk, so the latencies of that round are high.
"""

import argparse
import gc
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

from tests.bench.peers.client import ChargePoint, Load, saturate, send_at_rate
from tests.bench.peers.measuring import Clock, Fleet, wait_until_quiet
from tests.bench.peers.servers import CLIENT_CORE, Server, run_csms
from tests.support.processes import pin

_SYNCS = 200
_PAGE = bytes(4096)
_FULL = 0.95
"""Share of a core from which on it is the limit."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.starts_and_stops", description=__doc__)
    parser.add_argument("--connections", type=int, nargs="+", default=[200, 2000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="seconds of each measurement")
    parser.add_argument("--per-second", type=float, default=2000.0, help="the fixed rate")
    parser.add_argument("--transport", choices=("plain", "tls"), nargs="+", default=["plain", "tls"])
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    pin(os.getpid(), CLIENT_CORE)
    gc.disable()
    _say(_describe_disk())
    with contextmanager(run_csms)() as server:
        for transport in options.transport:
            fleet = Fleet(server.tls if transport == "tls" else server.plain)
            for count in sorted(options.connections):
                busy = fleet.take(count)
                for one in busy:
                    one.prepare("start-stop")
                saturate(busy, 1.0)
                _measure(server, busy, f"{transport}, {count}", options)
                for one in busy:
                    one.finish()
            fleet.disconnect()
            gc.collect()
            wait_until_quiet(server)


def _describe_disk() -> str:
    """Measure a sync of the file system on which the store keeps its file."""
    times = []
    with tempfile.TemporaryFile(prefix="csms-bench-") as file:
        for _ in range(_SYNCS):
            file.write(_PAGE)
            file.flush()
            begin = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begin)
    ordered = sorted(times)
    p50, p99 = (ordered[int(_SYNCS * share)] * 1e3 for share in (0.5, 0.99))
    return f"fdatasync after 4 KiB: p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {ordered[-1] * 1e3:.2f} ms"


def _measure(server: Server, busy: list[ChargePoint], name: str, options: argparse.Namespace) -> None:
    """Measure each load in turn, so that a busy minute hits all of them."""
    full: list[Load] = []
    fixed: list[Load] = []
    for number in range(1, options.rounds + 1):
        title = f"{name} connections, round {number}"
        full.append(
            _report(server, f"{title}, saturated", partial(saturate, busy, options.seconds, timed=True))
        )
        rate = full[-1].answered / full[-1].seconds / 2
        _report(server, f"{title}, half", partial(send_at_rate, busy, rate, options.seconds))
        paced = partial(send_at_rate, busy, options.per_second, options.seconds)
        fixed.append(_report(server, f"{title}, fixed", paced))
    _say(
        f"{name} connections, medians: {median(one.answered / one.seconds for one in full):,.0f}"
        f" acknowledgements a second; at {options.per_second:,.0f} a second,"
        f" p50 {_median_ms(fixed, 0.5):.1f} ms and p99 {_median_ms(fixed, 0.99):.1f} ms"
    )


def _median_ms(loads: list[Load], share: float) -> float:
    return median(one.percentile_ms(share) or 0.0 for one in loads)


def _report(server: Server, title: str, work: Callable[[], Load]) -> Load:
    clock, cores, rewrites = Clock(server), _read_cores(), _count_rewrites(server)
    load = work()
    gateway, store, client = clock.read()
    used = [now - then for now, then in zip(_read_cores(), cores, strict=True)]
    each = [1e6 * spent / load.answered for spent in (gateway, store, client)]
    shares = [spent / load.seconds for spent in (gateway, store, client)]
    p50, p99, longest = (load.percentile_ms(share) or 0.0 for share in (0.5, 0.99, 1.0))
    _say(
        f"{title}: {load.answered / load.seconds:,.0f}/s;"
        f" p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {longest:.1f} ms;"
        f" us of CPU for each: gateway {each[0]:.0f}, store {each[1]:.0f}, client {each[2]:.0f};"
        f" gateway {shares[0]:.0%}, store {shares[1]:.0%} and client {shares[2]:.0%} of a core"
        f" ({', '.join(f'core {n} {busy / load.seconds:.0%}' for n, busy in enumerate(used))});"
        f" limit: {_find_limit(*shares)}; rewrites of the file: {_count_rewrites(server) - rewrites}"
    )
    return load


def _find_limit(gateway: float, store: float, client: float) -> str:
    if gateway >= _FULL:
        return "the gateway"
    if store + client >= _FULL:
        return "the core of store and client"
    return "none of them"


def _count_rewrites(server: Server) -> int:
    return Path(f"/proc/{server.store}/cwd/valkey.log").read_text().count("file rewriting started")


def _read_cores() -> list[float]:
    """Return the seconds for which each core was busy."""
    lines = Path("/proc/stat").read_text(encoding="ascii").splitlines()
    rows = [line.split()[1:] for line in lines if line.startswith("cpu") and line[3] != " "]
    ticks = os.sysconf("SC_CLK_TCK")
    return [(sum(map(int, row[:8])) - int(row[3]) - int(row[4])) / ticks for row in rows]


_say = partial(print, file=sys.stdout, flush=True)


if __name__ == "__main__":
    main()
