"""`csms up` as a real process, with its children as the kernel lists them."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.waiting import GENEROUS_S


class UpProcess:
    """A running `csms up --json`. `said` is the line that it printed."""

    def __init__(self, data_dir: Path, *options: str, env: dict[str, str] | None = None) -> None:
        argv = [sys.executable, "-m", "admin", "up", "--json", "--ports", "0", "--data-dir", str(data_dir)]
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  closed by `close`
        self.process = subprocess.Popen(
            [*argv, *options],
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=clean_environment() | (env or {}),
            process_group=0,
        )
        self.pid = self.process.pid
        self.said: dict[str, Any] = {}

    def wait_ready(self) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"csms up ended: {self.errors()}"
        self.said = json.loads(line)

    def errors(self) -> str:
        self._stderr.seek(0)
        return self._stderr.read().decode()

    def children(self) -> dict[str, int]:
        """Return the children of the process by name: valkey, gateway-1, admin and so on."""
        found = {}
        with suppress(FileNotFoundError):
            for pid in map(int, Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()):
                if name := _name(pid):
                    found[name] = pid
        return found

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal and return the exit code; stdout must have no further lines."""
        self.process.send_signal(number)
        code = self.process.wait(GENEROUS_S)
        assert self.process.stdout is not None
        assert self.process.stdout.read() == b""
        return code

    def close(self) -> None:
        """Kill the process, whether the test passed or failed. The children of the process die with it."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(GENEROUS_S)
        if self.process.stdout:
            self.process.stdout.close()
        self._stderr.close()


@contextmanager
def up(data_dir: Path, *options: str) -> Iterator[UpProcess]:
    started = UpProcess(data_dir, *options)
    try:
        started.wait_ready()
        yield started
    finally:
        started.close()


def csms(*arguments: str, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "admin", *arguments],
        capture_output=True,
        text=True,
        timeout=GENEROUS_S,
        env=clean_environment() | (env or {}),
        check=False,
    )


def find_imported(*arguments: str) -> set[str]:
    """Run the command, and return the modules that it imported."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "admin", *arguments],
        capture_output=True,
        text=True,
        timeout=GENEROUS_S,
        env=clean_environment(),
        check=False,
    )
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def one_line(done: "subprocess.CompletedProcess[str]") -> str:
    """Return the error of a failed command, which must be one line on stderr without a traceback."""
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.strip()


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("CSMS")}


def _name(pid: int) -> str | None:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return None
    if b"valkey" in command[0]:
        return "valkey"
    if b"--config" in command and b"-c" not in command:
        return Path(command[command.index(b"--config") + 1].decode()).stem
    return None
