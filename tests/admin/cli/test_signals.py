"""Ctrl-C or SIGTERM ends a process that is still starting, and it prints nothing. A process survives SIGHUP.

These tests cover admin/cli/csms.sh, gateway/service/interrupts.py and gateway/service/hangups.py.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import blocks, handles
from tests.support.up_process import clean_environment
from tests.support.waiting import GENEROUS_S, wait_until

CSMS = Path(sys.executable).with_name("csms")
COMMANDS = ["up", "gateway", "admin"]
# With these settings, a process can begin its start and then waits for the store.
SETTINGS = {
    "CSMS__STORE__URL": "unix:///does/not/exist.sock",
    "CSMS__SECURITY__PEPPER": "0123456789" * 4,
    "CSMS__LISTEN__HEALTH_PORT": "0",
}
PORTS = {"gateway": {"CSMS__LISTEN__WS_PORT": "0"}, "admin": {"CSMS__LISTEN__PORT": "0"}}
# unshare forwards no signal, and its death ends the process.
FIRST_PROCESS = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")

type Started = subprocess.Popen[str]


@contextmanager
def csms(command: str, directory: Path) -> Iterator[Started]:
    """Start one of `COMMANDS` as a shell would. The command `up` starts its own Valkey."""
    options = ["--ports", "0", "--data-dir", str(directory / "data")] if command == "up" else []
    settings = SETTINGS | PORTS[command] if command in PORTS else {}
    # A background job may ignore SIGINT, and its children inherit that. Restore the handling of SIGINT that a
    # process has in a terminal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        [CSMS, command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment() | settings,
        process_group=0,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def interrupt(process: Started) -> str:
    """Send Ctrl-C, wait for the end of the process, and return what the process wrote to stderr."""
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=GENEROUS_S)
    assert process.returncode in (-signal.SIGINT, 0), errors
    assert not any(word in errors for word in ("Traceback", "Fatal", "KeyboardInterrupt")), errors
    return errors


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("library", ["", "/bin/python", "msgspec", "cryptography"])
def test_csms_prints_nothing_if_it_is_interrupted_while_python_imports_the_modules(
    command: str, library: str, tmp_path: Path
) -> None:
    with csms(command, tmp_path) as process:
        wait_until(lambda: library in Path(f"/proc/{process.pid}/maps").read_text())
        interrupt(process)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_csms_prints_nothing_if_it_is_interrupted_at_any_moment_while_it_starts(
    command: str, tmp_path: Path
) -> None:
    for _ in range(30):
        with csms(command, tmp_path) as process:
            time.sleep(random.uniform(0, 1.5))
            interrupt(process)


def test_the_admin_process_can_be_stopped_while_it_waits_for_the_store(tmp_path: Path) -> None:
    with csms("admin", tmp_path) as process:
        wait_until(lambda: handles(process.pid, signal.SIGHUP) and handles(process.pid, signal.SIGINT))
        interrupt(process)
        assert process.returncode == 0


def own_processes() -> bool:
    """Return whether this user may start the first process of a pid namespace, as a container engine does."""
    try:
        return subprocess.run([*FIRST_PROCESS, "true"], check=False, timeout=GENEROUS_S).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not own_processes(), reason="unshare cannot make a pid namespace here")
@pytest.mark.parametrize("library", ["", "/bin/python", "msgspec", "cryptography"])
def test_the_first_process_of_a_container_does_not_lose_a_signal_that_comes_while_it_starts(
    library: str,
) -> None:
    with subprocess.Popen(
        [*FIRST_PROCESS, CSMS, "gateway"],
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment() | SETTINGS | PORTS["gateway"],
    ) as unshare:
        try:
            children = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children")
            wait_until(lambda: children.read_text() != "")
            first = int(children.read_text())
            # `unshare` blocks SIGTERM for a moment too, and so does the shell each time it starts a process.
            # Before csms.sh has blocked it for good, nothing can keep it.
            early = {"unshare", CSMS.name}
            wait_until(lambda: Path(f"/proc/{first}/comm").read_text().strip() not in early)
            wait_until(lambda: blocks(first, signal.SIGTERM) or handles(first, signal.SIGTERM))
            wait_until(lambda: library in Path(f"/proc/{first}/maps").read_text())
            os.kill(first, signal.SIGTERM)
            _, errors = unshare.communicate(timeout=GENEROUS_S)
            assert unshare.returncode in {0, 128 + signal.SIGTERM}, errors
            assert "Traceback" not in errors
        finally:
            unshare.kill()


@pytest.mark.parametrize("command", ["gateway", "admin"])
def test_a_hangup_signal_is_logged_and_ignored_even_if_there_is_no_store(
    command: str, tmp_path: Path
) -> None:
    with csms(command, tmp_path) as process:
        wait_until(lambda: handles(process.pid, signal.SIGHUP))
        assert process.stderr is not None
        for _ in range(2):
            process.send_signal(signal.SIGHUP)
            said = process.stderr.readline()
            assert "signal.ignored" in said
            assert "SIGHUP" in said
        interrupt(process)
