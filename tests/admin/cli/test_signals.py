"""Ctrl-C ends a process that is still starting, and the process prints nothing. A process survives SIGHUP.

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

from tests.support.processes import handles
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
        assert "cannot be reached" not in interrupt(process)
        assert process.returncode == 0


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
