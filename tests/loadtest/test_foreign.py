"""The load test passes against central systems that know nothing of csms, and check all that it sends.

These tests cover loadtest/charge_point and loadtest/scenario/shipped through the command line. The times of
the scenarios are shortened.
"""

import re
import subprocess
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from loadtest.measuring.histograms import Distribution
from loadtest.reports import json_file
from tests.loadtest.foreign.servers import Foreign, install_ocpp_rpc, ocpp_package, ocpp_rpc
from tests.loadtest.run.runs import CLI

SHORTENED = {"smoke": (6, 1.0), "steady": (90, 0.001), "reconnect-storm": (40, 0.001)}
"""The divisor of the times of a scenario, and its scale."""
PREFIXES = {"smoke": "SMOKE", "steady": "STEADY", "reconnect-storm": "STORM"}
TIMES = re.compile(r"^(seconds|\w+_s) = (.+)$", re.MULTILINE)
NUMBER = re.compile(r"[0-9.]+")
# These tests run on busy machines, and judge no times, neither of the generator nor of the answers.
LATENCY = re.compile(r'(?<=^measure = "p99"\n)(stage = .+\nmost = ).+$', re.MULTILINE)
GENERATOR = "\n[generator]\ncpu_share = 1.0\nlag_p99_s = 60.0\nlag_max_s = 60.0\nlate_share = 1.0\n"
QUIET = {"smoke", "steady"}
"""Scenarios that lose no connection, so that both sides know the same calls."""


def shorten(name: str) -> str:
    """Return a shipped scenario with all of its times divided."""
    divisor, _ = SHORTENED[name]
    text = (files("loadtest.scenario") / "shipped" / f"{name}.toml").read_text("utf-8")
    shortened = TIMES.sub(
        lambda line: f"{line[1]} = " + NUMBER.sub(lambda found: f"{float(found[0]) / divisor:.6f}", line[2]),
        text,
    )
    patient, count = LATENCY.subn(r"\g<1>60.0", shortened)
    assert count == 1
    return patient + GENERATOR


def start(name: str, url: str, path: Path) -> subprocess.Popen[str]:
    scenario, _ = path / f"{name}.toml", SHORTENED[name]
    scenario.write_text(shorten(name))
    options = ("--url", url, "--prefix", PREFIXES[name], "--scale", str(SHORTENED[name][1]))
    return subprocess.Popen(
        [*CLI, "run", str(scenario), *options, "--output", str(path / f"{name}.json")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_all(server: Foreign, path: Path) -> dict[str, str]:
    """Run the scenarios side by side until all have passed. Return what they printed."""
    runs = {name: start(name, server.url, path) for name in SHORTENED}
    try:
        printed = {name: run.communicate(timeout=180)[0] for name, run in runs.items()}
    finally:
        for run in runs.values():
            run.kill()
            run.wait()
    for name, run in runs.items():
        assert run.returncode == 0, f"{name}:\n{printed[name]}"
    return printed


def count_calls(path: Path) -> Counter[str]:
    counts = Counter[str]()
    for each in json_file.read(path).latencies:
        if each.what in {"call", "delivery"} and each.clock == "corrected":
            counts[each.name] += Distribution.of_hdr([each.hdr]).total
    return counts


def judge(server: Foreign, printed: dict[str, str], path: Path) -> None:
    """Compare what the central system has seen with the reports."""
    assert server.seen["problems"] == []
    assert server.seen["open"] == 0
    assert len(server.seen["answered"]) == 12
    for name in SHORTENED:
        assert "What the central system stored was not compared: no admin API was given" in printed[name]
        seen = Counter(server.seen["calls"][PREFIXES[name]])
        assert min(seen["StartTransaction"], seen["MeterValues"], seen["StopTransaction"]) > 0
        if name in QUIET:
            assert seen == count_calls(path / f"{name}.json")
    storm = json_file.read(path / "reconnect-storm.json")
    assert [one.cut for one in storm.storms] == [20]
    assert storm.counts["reconnects"] == 20


def test_the_load_test_passes_against_a_central_system_of_the_python_package_ocpp(tmp_path: Path) -> None:
    with ocpp_package() as server:
        printed = run_all(server, tmp_path)
    judge(server, printed, tmp_path)


@pytest.mark.slow
def test_the_load_test_passes_against_a_central_system_of_the_node_package_ocpp_rpc(tmp_path: Path) -> None:
    packages = tmp_path / "node"
    packages.mkdir()
    install_ocpp_rpc(packages)
    with ocpp_rpc(packages) as server:
        printed = run_all(server, tmp_path)
    judge(server, printed, tmp_path)
