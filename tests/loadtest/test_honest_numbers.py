"""The latencies of the load test are those that the server knows it caused.

A small independent client must find the same, so that no mistake is shared. These tests cover
loadtest/results.py and loadtest/scenario/dice.py through the command line.
"""

import math
import subprocess
import sys
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram

from loadtest.reports import json_file
from loadtest.results import Clock, Results
from tests.support.independent_load import Measured, Spread, measure
from tests.support.mutant_server import mutant_server

pytestmark = pytest.mark.slow

SCENARIO = """
name = "honest-numbers"
seed = 3

[fleet]
charge_points = {charge_points}
prefix = "HN"

[[groups]]
name = "all"
heartbeat_s = 600.0
[[groups.arrivals]]
action = "DataTransfer"
per_second = {per_second}
pattern = "even"

[[stages]]
name = "come"
kind = "ramp"
seconds = 2.0
connected = 1.0

[[stages]]
name = "hold"
kind = "hold"
seconds = {seconds}
"""
STALL_AT_S = 30.0
"""Seconds after the first BootNotification, and so in the middle of the hold."""


def run(path: Path, url: str, *, charge_points: int, per_second: float, seconds: float) -> Results:
    """Run a load test. `per_second` is the rate of all charge points together."""
    scenario, output = path / "scenario.toml", path / "results.json"
    scenario.write_text(SCENARIO.format(charge_points=charge_points, per_second=per_second, seconds=seconds))
    argv = [sys.executable, "-m", "loadtest", "run", str(scenario), "--url", url, "--output", str(output)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + 180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json_file.read(output)


def spread(results: Results, clock: Clock, *stages: str) -> tuple[int, Spread]:
    """Return the number of DataTransfers in these stages, and their latencies in seconds."""
    merged = HdrHistogram(1, 3_600_000_000, 3)
    for one in results.latencies:
        if (one.what, one.name, one.clock) == ("call", "DataTransfer", clock) and one.stage in stages:
            merged.add(HdrHistogram.decode(one.hdr.encode()))
    values = (merged.get_value_at_percentile(share) / 1e6 for share in (50, 99, 99.9, 100))
    return merged.get_total_count(), Spread(*values)


def check_stall(calls: int, corrected: Spread, service: Spread) -> None:
    """Of 60 s of even sends, those of 2 s waited, each as long as the rest of the stall."""
    assert calls == pytest.approx(6_000, rel=0.02)
    assert corrected.p99 == pytest.approx(1.4, rel=0.1)
    assert corrected.most == pytest.approx(2.0, rel=0.1)
    assert service.p99 < 0.1


def check_delays(journal: Path, action: str, calls: int, service: Spread) -> None:
    rows = (line.split() for line in journal.read_text().splitlines())
    delays = [float(delay) for name, delay in rows if name == action]
    assert calls == len(delays) >= 100_000
    drawn = Spread.of(delays)
    for name in ("p50", "p99", "p999"):
        found, expected = getattr(service, name), getattr(drawn, name)
        assert math.isclose(found, expected, abs_tol=0.05 * expected + 0.002), (name, found, expected)


def test_a_stall_of_two_seconds_is_in_the_corrected_latencies_and_hidden_from_the_service_latencies(
    tmp_path: Path,
) -> None:
    with mutant_server("--stall-after", str(STALL_AT_S)) as server:
        results = run(tmp_path, server.url, charge_points=10, per_second=100, seconds=60)
    assert results.invalid == []
    calls, corrected = spread(results, "corrected", "hold")
    assert spread(results, "service", "hold")[0] == calls
    check_stall(calls, corrected, spread(results, "service", "hold")[1])


def test_the_independent_client_finds_the_same_of_a_stall() -> None:
    with mutant_server("--stall-after", str(STALL_AT_S)) as server:
        found: Measured = measure(server.url, charge_points=10, per_second=10, seconds=60)
    check_stall(found.calls, found.corrected, found.service)


def test_the_service_latencies_are_the_delays_that_the_server_journalled(tmp_path: Path) -> None:
    journal = tmp_path / "delays"
    with mutant_server("--delays", str(journal)) as server:
        results = run(tmp_path, server.url, charge_points=100, per_second=1_000, seconds=104)
    assert results.invalid == []
    calls, service = spread(results, "service", "come", "hold")
    check_delays(journal, "DataTransfer", calls, service)


def test_the_independent_client_finds_the_delays_that_the_server_journalled(tmp_path: Path) -> None:
    journal = tmp_path / "delays"
    with mutant_server("--delays", str(journal)) as server:
        found = measure(server.url, charge_points=100, per_second=10, seconds=104)
    check_delays(journal, "Heartbeat", found.calls, found.service)
