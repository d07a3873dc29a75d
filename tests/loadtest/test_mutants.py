"""A load test fails with each mutant server, each time for its own reason, and passes with the right one.

These tests cover loadtest/correctness and loadtest/results.py through the command line.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.reports import json_file
from tests.support.mutant_server import MutantServer, mutant_server

SCENARIO = """
name = "mutants"
seed = 7

[fleet]
charge_points = 20
prefix = "MU"
answer_s = 4.0

[[groups]]
name = "busy"
heartbeat_s = 1.0
[groups.charging]
charge_s = [1.5, 3.0]
pause_s = [0.2, 1.0]
values_s = 0.4
[groups.retries]
interval_s = 1.0

[[stages]]
name = "come"
kind = "ramp"
seconds = 1.0
connected = 1.0

[[stages]]
name = "hold"
kind = "hold"
seconds = {seconds}

[[commands]]
action = "GetConfiguration"
per_second = 5.0
timeout_s = 2.0
stages = ["hold"]

[[thresholds]]
measure = "p999"
most = 1.5

[generator]
cpu_share = 1
lag_p99_s = 60
lag_max_s = 60
late_share = 1
"""
LONG_S, SHORT_S = 8.0, 3.0
"""Length of the hold. In the longer one, everything happens that a server can do wrong."""


class Run:
    """A whole run of the load test against a server."""

    def __init__(self, server: MutantServer, path: Path, seconds: float) -> None:
        (path / "mutants.toml").write_text(SCENARIO.format(seconds=seconds))
        output = path / "results.json"
        argv = [sys.executable, "-m", "loadtest", "run", str(path / "mutants.toml"), "--url", server.url]
        admin = ["--admin-url", server.admin, "--api-key-file", str(server.key_file)]
        done = subprocess.run(
            [*argv, *admin, "--output", str(output)], capture_output=True, text=True, timeout=180, check=False
        )
        self.exit_code = done.returncode
        self.output = done.stdout + done.stderr
        assert output.exists(), self.output
        self.results = json_file.read(output)
        assert self.results.invalid == [], self.output
        assert self.results.exit_code == self.exit_code

    @property
    def findings(self) -> set[str]:
        assert self.results.history is not None
        assert self.results.history.left_out is None
        return {found.kind for found in self.results.history.findings}

    @property
    def violations(self) -> set[str]:
        return set(self.results.violation_counts)

    @property
    def missed(self) -> set[str]:
        return {judged.threshold.measure for judged in self.results.judged if not judged.passed}


def run(path: Path, *switches: str, seconds: float = LONG_S) -> Run:
    with mutant_server(*switches) as server:
        return Run(server, path, seconds)


@pytest.mark.slow
def test_a_run_against_the_server_without_a_fault_passes_and_has_looked_at_everything(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert (done.exit_code, done.findings, done.violations, done.missed) == (0, set(), set(), set()), (
        done.output
    )
    history = done.results.history
    assert history is not None
    assert min(history.starts, history.stops, history.stored) >= 20
    assert history.values >= 100
    assert done.results.commands.total() >= 25


def test_a_run_finds_that_one_acknowledged_stop_was_lost(tmp_path: Path) -> None:
    done = run(tmp_path, "--lose-stop", seconds=SHORT_S)
    assert (done.exit_code, done.violations) == (4, set()), done.output
    assert done.findings == {"missing_stop"}


@pytest.mark.slow
def test_a_run_finds_that_a_start_was_lost(tmp_path: Path) -> None:
    done = run(tmp_path, "--lose-start")
    assert (done.exit_code, done.violations) == (4, set()), done.output
    assert done.findings == {"missing_start", "missing_stop"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("switch", "kind"),
    [
        pytest.param("--swap-answers", "wrong_charge_point", id="swaps two answers"),
        pytest.param("--repeat-id", "id_twice", id="repeats a transaction id"),
        pytest.param("--store-value-twice", "value_twice", id="stores a meter value twice"),
        pytest.param("--lose-value", "value_lost", id="loses a meter value"),
        pytest.param("--skip-20th-command", "command_not_received", id="never sends the 20th command"),
    ],
)
def test_a_run_finds_the_violation_of_a_wrong_server(tmp_path: Path, switch: str, kind: str) -> None:
    done = run(tmp_path, switch)
    assert (done.exit_code, done.violations) == (4, {kind}), done.output
    assert done.results.violation_counts[kind] == (2 if kind == "wrong_charge_point" else 1)
    assert any(found.kind == kind for found in done.results.violations)
    assert (done.findings != set()) == (kind == "id_twice")


@pytest.mark.slow
def test_a_run_misses_its_threshold_if_one_answer_in_200_is_late_while_the_server_says_that_all_is_well(
    tmp_path: Path,
) -> None:
    with mutant_server("--hold-one-in-200") as server:
        done = Run(server, tmp_path, LONG_S)
        assert server.slowest_s() < 1.5
    assert (done.exit_code, done.missed) == (99, {"p999"}), done.output
    assert (done.findings, done.violations) == (set(), set())


@pytest.mark.slow
def test_a_run_without_an_admin_api_passes_and_says_what_nobody_looked_at(tmp_path: Path) -> None:
    scenario = SCENARIO.partition("[[commands]]")[0].format(seconds=LONG_S)
    (tmp_path / "mutants.toml").write_text(scenario)
    output = tmp_path / "results.json"
    with mutant_server("--lose-stop") as server:
        argv = [sys.executable, "-m", "loadtest", "run", str(tmp_path / "mutants.toml"), "--url", server.url]
        done = subprocess.run(
            [*argv, "--output", str(output)], capture_output=True, text=True, timeout=180, check=False
        )
    assert done.returncode == 0, done.stdout + done.stderr
    history = json_file.read(output).history
    assert history is not None
    assert history.left_out is not None
    assert "no admin API was given" in done.stdout + done.stderr
