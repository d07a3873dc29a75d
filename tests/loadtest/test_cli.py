"""The command line of the load test, as processes. These tests cover loadtest/__main__.py."""

import json
import re
import signal
import subprocess
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # only schemathesis brings it
import pytest
from xmlschema import XMLSchema

from loadtest.reports import json_file
from loadtest.scenario.reading import read_scenario, shipped_names
from tests.loadtest.run.runs import CLI, worker_pids
from tests.loadtest.small_run import ACTION, loadtest, write
from tests.support.csms_up import Running
from tests.support.mutant_server import MutantServer
from tests.support.waiting import GENEROUS_S


def test_a_run_ends_with_its_reports_and_its_results_can_be_compared(
    server: MutantServer, tmp_path: Path
) -> None:
    output, html, junit = (tmp_path / name for name in ("r.json", "r.html", "r.xml"))
    done = loadtest(
        *("run", write(tmp_path), "--url", server.url, "--processes", "2", "--seed", "7"),
        *("--output", str(output), "--html", str(html), "--junit", str(junit)),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json_file.read(output)
    assert (results.ended, results.scenario.seed, results.counts["connections"]) == ("completed", 7, 4)
    assert "Heartbeat" in done.stdout
    assert html.read_text().startswith("<!DOCTYPE html>")
    jsonschema.Draft202012Validator(json_file.json_schema()).validate(json.loads(output.read_bytes()))
    XMLSchema(Path(__file__).with_name("reports") / "junit.xsd").validate(junit)
    page = tmp_path / "compared.html"
    two, both = (str(output), str(output)), ("--before", *[str(output)] * 2, "--after", str(output))
    assert loadtest("compare", *two, "--fail-if", "p99>+10%").returncode == 0
    done = loadtest("compare", *both, "--fail-if", "p99>-10%", "--html", str(page))
    assert done.returncode == 99, done.stdout + done.stderr
    assert "A2" in page.read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ("a.json",),
        ("a.json", "b.json", "c.json"),
        ("a.json", "b.json", "--after", "c.json"),
        ("--before", "a.json"),
    ],
)
def test_compare_needs_two_sides(arguments: tuple[str, ...]) -> None:
    done = loadtest("compare", *arguments)
    assert done.returncode == 2
    assert "two files, or --before and --after" in done.stderr


def test_the_help_of_a_command_exits_with_0() -> None:
    done = loadtest("compare", "--help")
    assert done.returncode == 0, done.stderr
    assert "--before" in done.stdout


def test_show_prints_a_shipped_scenario_that_can_be_run_from_a_copy(tmp_path: Path) -> None:
    listed = loadtest("show").stdout.splitlines()
    assert [line.split()[0] for line in listed if not line.startswith(" ")] == shipped_names()
    (copy := tmp_path / "copy.toml").write_text(loadtest("show", "soak").stdout)
    assert read_scenario(str(copy)) == read_scenario("soak")
    done = loadtest("show", "smok")
    assert done.returncode == 2
    assert "smoke" in done.stderr


def test_the_memory_and_the_files_of_a_dry_run_are_those_of_the_run_within_25_percent(
    server: MutantServer, tmp_path: Path
) -> None:
    scenario = write(tmp_path, seconds=600)
    Path(scenario).write_text(Path(scenario).read_text().replace("charge_points = 4", "charge_points = 150"))
    argv = [*CLI, "run", scenario, "--url", server.url, "--processes", "2"]
    said = subprocess.run([*argv, "--dry-run"], capture_output=True, text=True, check=True).stdout
    planned = re.search(r"needs about ([0-9]+) MiB of memory, ([0-9]+) open files in each process", said)
    assert planned is not None, said
    with subprocess.Popen(
        [*argv, "--progress", "jsonl"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        while json.loads(process.stderr.readline())["booted"] < 150:
            pass
        workers = worker_pids(process.pid)
        memory = sum(memory_of(pid) for pid in (process.pid, *workers))
        files = max(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in workers)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=GENEROUS_S)
    assert int(planned[1]) << 20 == pytest.approx(memory, rel=0.25)
    assert int(planned[2]) == pytest.approx(files, rel=0.25)


def memory_of(pid: int) -> int:
    """Return the bytes of a process, with its part of what processes share."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))


def test_a_dry_run_shows_the_shell_commands_and_sends_nothing(tmp_path: Path) -> None:
    done = loadtest("run", write(tmp_path, more=ACTION), "--url", "ws://127.0.0.1:1/{id}", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "echo restarted" in done.stdout


@pytest.mark.slow
def test_the_parts_of_a_run_are_merged_and_judged_together(server: MutantServer, tmp_path: Path) -> None:
    files = [tmp_path / "1.json", tmp_path / "2.json"]
    argv = [*CLI, "run", write(tmp_path), "--url", server.url]
    parts = [
        subprocess.Popen(
            [*argv, "--part", f"{number}/2", "--output", str(file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for number, file in enumerate(files, 1)
    ]
    assert [part.wait(GENEROUS_S) for part in parts] == [0, 0]
    output = tmp_path / "whole.json"
    done = loadtest("merge", *map(str, files), "--output", str(output))
    assert done.returncode == 0, done.stdout + done.stderr
    assert json_file.read(output).charge_points == (0, 4)
    assert loadtest("merge", str(files[0]), "--output", str(output)).returncode == 2


NOWHERE = ("--url", "ws://127.0.0.1:1/{id}")

WRONG: tuple[tuple[tuple[str, ...], str], ...] = (
    ((), "there is no target"),
    (("--url", "wss://csms.example.org/{id}"), "--target-is-mine"),
    ((*NOWHERE, "--part", "3/2"), "--part 3/2"),
    ((*NOWHERE, "--start-at", "2026-01-01T00:00:00"), "time zone"),
    ((*NOWHERE, "--start-at", "2026-01-01T00:00:00Z"), "give a later time"),
    ((*NOWHERE, "--start-at", "9999-12-31T23:59:59-14:00"), "within 30 days"),
    ((*NOWHERE, "--output", "/nowhere/r.json"), "make it before the run"),
    (("--url", "ws://127.0.0.1:1/{token}/{id}", "--token-file", "none"), "No such file"),
    (("--url", "wss://127.0.0.1:1/{id}", "--ca-file", "/nowhere"), "No such file"),
)

IN_TURN = """
import contextlib, io, json, sys
from loadtest.__main__ import main
for arguments in json.load(sys.stdin):
    with contextlib.redirect_stderr(io.StringIO()) as said:
        code = main(arguments)
    print(json.dumps([code, said.getvalue()]))
"""


def test_each_wrong_option_is_explained_in_lines_and_exits_with_2(tmp_path: Path) -> None:
    """One process tries all, because it takes most of its time to begin."""
    scenario = write(tmp_path)
    (tmp_path / "actions").mkdir()
    with_actions = write(tmp_path / "actions", more=ACTION)
    tries = [["run", scenario, *arguments] for arguments, _ in WRONG] + [["run", with_actions, *NOWHERE]]
    done = subprocess.run(
        [CLI[0], "-c", IN_TURN],
        input=json.dumps(tries),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    explained = [json.loads(line) for line in done.stdout.splitlines()]
    for (code, words), said in zip(explained, [*(said for _, said in WRONG), "--allow-actions"], strict=True):
        assert code == 2
        assert said in words
        assert all(line.startswith("csms loadtest: ") for line in words.splitlines())


@pytest.mark.slow
def test_contrast_shows_the_ratios_of_a_scenario_with_and_without_a_group(
    server: MutantServer, tmp_path: Path
) -> None:
    done = loadtest("contrast", write(tmp_path), "--url", server.url, "--group", "quiet")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "call Heartbeat" in done.stdout
    assert "ratio" in done.stdout


def test_clean_deletes_what_a_run_left_in_its_tenant_and_nothing_else(
    running: Running, tmp_path: Path
) -> None:
    (key := tmp_path / "key").write_text(running.api_key)
    (token := tmp_path / "token").write_text(running.token)
    options: tuple[str, ...] = ("--url", running.url("{id}", token="{token}"), "--token-file", str(token))
    options += ("--ca-file", running.ca_file, "--admin-url", running.admin, "--api-key-file", str(key))
    charging = '[groups.charging]\ncharge_s = [600, 600]\npause_s = [0, 0]\n[[groups]]\nname = "others"'
    scenario = write(tmp_path, seconds=2.0).strip()
    text = Path(scenario).read_text().replace('[[groups]]\nname = "quiet"', charging)
    Path(scenario).write_text(text.replace("connected = 0", "connected = 1"))
    output = tmp_path / "r.json"
    with subprocess.Popen(
        [
            *CLI,
            "run",
            scenario,
            *options,
            "--prefix",
            "clean-",
            "--output",
            str(output),
            "--progress",
            "jsonl",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        shown, said = process.communicate(timeout=GENEROUS_S)
    assert process.returncode == 0, shown + said
    with running.api() as api:
        api.put("/charge-points/clean-mine", json={}).raise_for_status()
        assert len(api.get("/charge-points", params={"prefix": "clean-"}).json()["items"]) == 5
        done = loadtest("clean", scenario, *options, "--prefix", "clean-")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Deleted 4 charge points" in done.stdout
        left = api.get("/charge-points", params={"prefix": "clean-"}).json()["items"]
        assert [item["id"] for item in left] == ["clean-mine"]
        assert api.get("/transactions", params={"charge_point": "clean-000000"}).json()["items"] == []
    for secret in (running.api_key, running.token):
        assert secret not in output.read_text() + shown + said + done.stdout + done.stderr


@pytest.mark.parametrize("command", [[], ["run"]])
def test_help_is_shown_with_exit_code_0(command: list[str]) -> None:
    done = subprocess.run(
        [*CLI, *command, "--help"], capture_output=True, text=True, timeout=GENEROUS_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: csms loadtest" in done.stdout
