"""The load test as a process, against our own gateway and against another server.

These tests cover loadtest/__main__.py and all that it starts.
"""

import json
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.csms_up import Running
from tests.support.pace import Pace


def loadtest(*arguments: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "loadtest", "run", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)


def test_a_small_load_test_ends_without_an_error(running: Running, tmp_path: Path, pace: Pace) -> None:
    output = tmp_path / "result.json"
    done = loadtest(
        *("--url", running.url("{id}"), "--ca-file", running.ca_file, "--charge-points", "5"),
        *("--duration", "3", "--interval", "0.5", "--prefix", "city-", "--output", str(output)),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    actions = {row["action"]: row for row in json.loads(output.read_text())["actions"]}
    assert actions["StartTransaction"]["calls"] == actions["StopTransaction"]["calls"] == 5
    assert actions["MeterValues"]["calls"] >= 5 * (4 if pace.judged else 1)
    assert actions["all"]["errors"] == 0
    assert running.token not in output.read_text() + done.stdout + done.stderr
    with running.api() as api:
        stored = api.get("/transactions", params={"charge_point": "city-00000"}).json()["items"]
    assert len(stored) == 1
    assert stored[0]["reason"] == "Local"
    assert stored[0]["energy_wh"] > 0


def test_a_load_test_reads_the_token_and_the_passwords_of_its_charge_points_from_files(
    running: Running, tmp_path: Path
) -> None:
    token, passwords = tmp_path / "token", tmp_path / "passwords"
    token.write_text(running.token + "\n")
    keys = {"secret-00000": secrets.token_hex(20), "secret-00001": secrets.token_urlsafe(15)}
    passwords.write_text("".join(f"{id_} {key}\n" for id_, key in keys.items()))
    with running.api() as api:
        for id_, key in keys.items():
            api.put(f"/charge-points/{id_}", json={}).raise_for_status()
            api.put(f"/charge-points/{id_}/authorization-key", json={"value": key}).raise_for_status()
            api.patch(f"/charge-points/{id_}/security", json={"security_profile": 2}).raise_for_status()
    arguments = (
        *("--url", running.url("{id}", token="{token}"), "--token-file", str(token)),
        *("--ca-file", running.ca_file, "--charge-points", "2", "--duration", "2", "--prefix", "secret-"),
    )
    done = loadtest(*arguments, "--passwords-file", str(passwords))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not any(secret in done.stdout + done.stderr for secret in (running.token, *keys.values()))
    done = loadtest(*arguments)
    assert done.returncode == 1
    assert "refused with 401" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--url", "ws://h/{token}/{id}"), "--token-file and {token} in --url belong together"),
        (
            ("--url", "ws://h/{id}", "--token-file", "none"),
            "--token-file and {token} in --url belong together",
        ),
        (("--url", "ws://h/{token}/{id}", "--token-file", "none"), "none: No such file or directory"),
        (("--url", "ws://h/{id}", "--passwords-file", "/dev/null/x"), "Not a directory"),
        (("--url", "ws://h/{id}", "--certificates", "none"), "<id>.pem and <id>.key"),
    ],
)
def test_a_wrong_file_of_credentials_gets_one_line_that_says_what_would_be_right(
    arguments: tuple[str, ...], said: str
) -> None:
    done = loadtest(*arguments)
    assert done.returncode != 0
    assert said in " ".join((done.stdout + done.stderr).split())


def test_a_load_test_fails_and_names_the_cause_if_its_charge_points_are_refused(running: Running) -> None:
    done = loadtest(
        *("--url", running.url("{id}", token="wrong"), "--ca-file", running.ca_file),
        *("--charge-points", "2", "--duration", "1"),
    )
    assert done.returncode == 1
    assert "refused with 401" in done.stdout


def test_the_load_test_fails_if_an_id_tag_is_refused(running: Running) -> None:
    done = loadtest(
        *("--url", running.url("{id}"), "--ca-file", running.ca_file, "--id-tag", "DEMO-BLOCKED"),
        *("--charge-points", "1", "--duration", "2", "--prefix", "blocked-"),
    )
    assert done.returncode == 1
    assert "DEMO-BLOCKED is Blocked" in done.stdout
    assert "StartTransaction" not in done.stdout


def test_the_error_for_an_untrusted_certificate_is_one_line_that_names_a_remedy(running: Running) -> None:
    done = loadtest("--url", running.url("{id}"), "--charge-points", "1", "--duration", "1")
    assert done.returncode == 1
    assert "--ca-file" in done.stdout
    assert len((done.stdout + done.stderr).strip().splitlines()) == 1


def test_an_interrupted_load_test_prints_the_results_so_far(running: Running) -> None:
    argv = [
        sys.executable,
        "-m",
        "loadtest",
        "run",
        "--url",
        running.url("{id}"),
        "--ca-file",
        running.ca_file,
    ]
    argv += ["--charge-points", "1", "--duration", "600", "--prefix", "interrupted-"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        progress = process.stderr.readline  # a line every 5 s
        assert any("booted 1" in progress() for _ in range(6))
        process.send_signal(signal.SIGINT)
        shown, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "BootNotification" in shown
    assert "Traceback" not in said


COMMANDS = (
    *("--charge-points", "6", "--silent", "2", "--duration", "6", "--connect-rate", "50"),
    *("--interval", "0.5", "--commands-per-second", "20", "--command-timeout", "4"),
)


def are_as_many(one: int, other: int) -> bool:
    """Allow a difference of one command, because the first charge point may leave between two commands."""
    return abs(one - other) <= 1


def operators(running: Running, directory: Path) -> tuple[str, ...]:
    """Return the options for commands, with the API key in a file."""
    (key := directory / "api-key").write_text(f"{running.api_key}\n")
    return ("--admin-url", running.admin, "--api-key-file", str(key))


def test_the_simulated_operators_send_commands_to_healthy_and_to_silent_charge_points(
    running: Running, tmp_path: Path, pace: Pace
) -> None:
    output = tmp_path / "result.json"
    done = loadtest(
        *("--url", running.url("{id}"), "--ca-file", running.ca_file, "--prefix", "ordered-"),
        *(*COMMANDS, *operators(running, tmp_path), "--output", str(output)),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(output.read_text())
    assert result["failures"] == {}
    assert result["plan"]["silent"] == 2
    outcomes = result["commands"]["outcomes"]
    assert outcomes["healthy"].keys() == {"200 answered"}
    assert outcomes["silent"].keys() <= {"504 deadline-passed", "429 busy"}
    assert are_as_many(outcomes["healthy"]["200 answered"], sum(outcomes["silent"].values()))
    assert outcomes["healthy"]["200 answered"] > (20 if pace.judged else 3)
    rows = {row["action"]: row for row in result["commands"]["healthy"]}
    assert rows.keys() == {"GetConfiguration", "GetLocalListVersion", "TriggerMessage", "all"}
    actions = {row["action"]: row for row in result["actions"]}
    # Each TriggerMessage that was answered caused at least one Heartbeat.
    assert actions["Heartbeat"]["calls"] >= rows["TriggerMessage"]["calls"]
    assert "Commands to silent charge points" in done.stdout
    for secret in (running.api_key, running.token):
        assert secret not in output.read_text() + done.stdout + done.stderr


def test_no_commands_are_sent_if_all_charge_points_are_refused(running: Running, tmp_path: Path) -> None:
    """The run ends when no charge point is left, and not at its planned end."""
    done = loadtest(
        *("--url", running.url("{id}", token="wrong"), "--ca-file", running.ca_file),
        *("--charge-points", "3", "--silent", "1", "--duration", "300", "--commands-per-second", "5"),
        *operators(running, tmp_path),
    )
    assert done.returncode == 1
    assert "refused with 401" in done.stdout


@pytest.mark.slow
def test_the_command_compare_prints_the_ratios_between_two_load_tests(
    running: Running, tmp_path: Path
) -> None:
    output = tmp_path / "result.json"
    argv = [sys.executable, "-m", "loadtest", "compare", "--url", running.url("{id}")]
    argv += ["--ca-file", running.ca_file, "--prefix", "compared-", "--output", str(output)]
    argv += [*COMMANDS, *operators(running, tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(output.read_text())
    [calls, commands] = result["ratios"]
    for one in (calls, commands):
        assert one["mean"] == one["with_silent"]["mean"] / one["without"]["mean"] > 0
        assert one["with_silent"]["errors"] == one["without"]["errors"] == 0
    assert are_as_many(result["commands_to_silent"][-1]["calls"], commands["with_silent"]["calls"])
    assert "ratio" in done.stdout


def test_wrong_options_for_sending_commands_are_explained_in_one_line(
    running: Running, tmp_path: Path
) -> None:
    url, rate = ("--url", running.url("{id}")), ("--commands-per-second", "1")
    where = operators(running, tmp_path)
    for arguments, says in (
        ((*url, *rate), "--api-key-file"),
        ((*url, *rate, "--admin-url", "localhost", *where[2:]), "http://"),
        ((*url, *rate, *where[:2], "--api-key-file", "/nowhere"), "/nowhere"),
        ((*url, *rate, *where, "--duration", "1"), "--duration must be"),
        (("--url", "ws://localhost:1/other/{id}", *rate, *where), "/OCPP16/"),
    ):
        done = loadtest(*arguments)
        assert done.returncode == 2
        assert says in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    argv = [sys.executable, "-m", "loadtest", "compare", *url]
    alone = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert (alone.returncode, alone.stderr.count("\n")) == (2, 1)
    assert "--silent" in alone.stderr


def test_wrong_options_of_a_load_test_are_explained_in_one_line(running: Running) -> None:
    for arguments, says in (
        (("--url", "wss://localhost:1/x"), "{id}"),
        (("--url", "http://localhost/{id}"), "ws://"),
        (("--url", "ws://localhost:port/{id}"), "port"),
        (("--url", "ws:///{id}"), "host"),
        (("--url", running.url("{id}"), "--ca-file", "/nowhere.pem"), "/nowhere.pem"),
    ):
        done = loadtest(*arguments)
        assert done.returncode == 2
        assert says in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
