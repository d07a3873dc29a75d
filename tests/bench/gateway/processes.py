"""The processes of the system under test (`csms up` with one worker), and the CPU time and memory that they
have used so far.
"""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

_STOP_S = 20.0


class System(NamedTuple):
    ws: str
    wss: str
    tenant: str
    token: str
    ca_file: str
    gateway: int
    server: int

    def url(self, charge_point: str, *, secure: bool) -> str:
        return f"{self.wss if secure else self.ws}/OCPP16/{self.tenant}/{self.token}/{charge_point}"


@contextmanager
def csms_up() -> Iterator[System]:
    """Run `csms up` on a throw-away data directory until the block ends."""
    with tempfile.TemporaryDirectory(prefix="csms-bench-") as directory:
        options = (
            "--json",
            "--ports",
            "0",
            "--workers",
            "1",
            "--drain-seconds",
            "1",
            "--data-dir",
            directory,
        )
        up = subprocess.Popen([sys.executable, "-m", "admin", "up", *options], stdout=subprocess.PIPE)
        assert up.stdout is not None
        try:
            line = up.stdout.readline()
            if not line:
                raise SystemExit("bench: csms up did not start; see above")
            ready = json.loads(line)
            yield System(
                **{name: ready[name] for name in ("ws", "wss", "tenant", "token", "ca_file")},
                gateway=_child(up.pid, "gateway"),
                server=_child(up.pid, "valkey-server"),
            )
        finally:
            up.send_signal(signal.SIGTERM)
            up.wait(_STOP_S)
            up.stdout.close()


def _child(parent: int, word: str) -> int:
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text(encoding="ascii").rpartition(")")[2].split()
            command = (status.parent / "cmdline").read_bytes().decode().replace("\0", " ").split()
        except OSError:
            continue
        if int(fields[1]) == parent and any(part.rpartition("/")[2] == word for part in command):
            return int(status.parent.name)
    raise SystemExit(f"bench: csms up has no {word} process")
