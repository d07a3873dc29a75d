"""How a run ends: by a signal, or with an exit code. These tests cover loadtest/__main__.py."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from loadtest.reports import json_file
from tests.loadtest.run.runs import CLI, worker_pids
from tests.loadtest.small_run import loadtest, write
from tests.support.mutant_server import MutantServer
from tests.support.waiting import GENEROUS_S


def test_a_run_that_is_killed_leaves_neither_processes_nor_files(
    server: MutantServer, tmp_path: Path
) -> None:
    (directory := tmp_path / "tmp").mkdir()
    argv = [*CLI, "run", write(tmp_path, seconds=600), "--url", server.url, "--progress", "jsonl"]
    environ = {**os.environ, "TMPDIR": str(directory)}
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env=environ) as process:
        assert process.stderr is not None
        while json.loads(process.stderr.readline())["booted"] < 4:
            pass
        (worker,) = worker_pids(process.pid)
        assert len(list(directory.iterdir())) == 1
        process.kill()
        deadline = time.monotonic() + GENEROUS_S
        while Path(f"/proc/{worker}/stat").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    assert list(directory.iterdir()) == []


_SLOW = [pytest.param(number, marks=pytest.mark.slow) for number in (signal.SIGTERM, signal.SIGHUP)]


@pytest.mark.parametrize("number", [signal.SIGINT, *_SLOW])
def test_a_signal_ends_all_processes_with_a_report(
    server: MutantServer, tmp_path: Path, number: signal.Signals
) -> None:
    output = tmp_path / "r.json"
    argv = [*CLI, "run", write(tmp_path, seconds=600), "--url", server.url, "--processes", "2"]
    argv += ["--progress", "jsonl", "--output", str(output)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while json.loads(process.stderr.readline())["booted"] < 4:
            pass
        assert len(worker_pids(process.pid)) == 2
        process.send_signal(number)
        shown, said = process.communicate(timeout=GENEROUS_S)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "Heartbeat" in shown
    results = json_file.read(output)
    assert (results.ended, results.exit_code, results.counts["connections"]) == ("interrupted", 130, 4)


@pytest.mark.slow
def test_a_second_signal_ends_all_processes_at_once(server: MutantServer, tmp_path: Path) -> None:
    argv = [*CLI, "run", write(tmp_path, seconds=600), "--url", server.url, "--progress", "jsonl"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        process.stderr.readline()
        [worker] = worker_pids(process.pid)
        # A stopped worker can send no results, so the first signal alone would take seconds.
        os.kill(worker, signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=GENEROUS_S)
    assert process.returncode == 130
    assert "ended at once by a second signal" in said
    assert not Path(f"/proc/{worker}").exists()


def test_a_missed_threshold_ends_a_run_with_99(server: MutantServer, tmp_path: Path) -> None:
    threshold = '[[thresholds]]\nmeasure = "p50"\nof = "Heartbeat"\nmost = 0.0'
    done = loadtest("run", write(tmp_path, seconds=0.5, more=threshold), "--url", server.url)
    assert done.returncode == 99, done.stdout + done.stderr
    assert "FAILED: 1 of 1 threshold was missed (p50 of Heartbeat: " in done.stdout


def test_an_admin_api_that_does_not_show_what_is_stored_ends_a_run_with_4(
    server: MutantServer, tmp_path: Path
) -> None:
    (key := tmp_path / "key").write_text("wrong")
    admin = ("--admin-url", server.admin, "--api-key-file", str(key))
    done = loadtest("run", write(tmp_path, seconds=0.5), "--url", server.url, *admin)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "UNCHECKED: The history could not be checked: the admin API answered 401" in done.stdout


def test_a_generator_that_was_stopped_for_a_second_ends_a_run_with_3(
    server: MutantServer, tmp_path: Path
) -> None:
    scenario = write(tmp_path, seconds=2.5)
    Path(scenario).write_text(Path(scenario).read_text().replace("lag_max_s = 60", "lag_max_s = 0.5"))
    argv = [*CLI, "run", scenario, "--url", server.url, "--progress", "jsonl"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        process.stderr.readline()
        [worker] = worker_pids(process.pid)
        os.kill(worker, signal.SIGSTOP)
        time.sleep(1.0)
        os.kill(worker, signal.SIGCONT)
        shown, said = process.communicate(timeout=GENEROUS_S)
    assert process.returncode == 3, shown + said
    assert "INVALID: process 1 stood still for" in shown
