"""The processes of the system under test (`csms up`), and what their store has used so far."""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from state.store import StoreConfig, open_store
from tests.support.server_info import ask_info

_STOP_S = 20.0


class System(NamedTuple):
    """`up`, `gateway` and `server` are processes: `csms up`, its first gateway and its Valkey."""

    ws: str
    wss: str
    admin: str
    tenant: str
    token: str
    ca_file: str
    data_dir: str
    up: int
    gateway: int
    server: int

    def gateways(self) -> list[int]:
        """Return the gateways that run now, because `csms up` replaces one that was killed."""
        return find_children(self.up, "gateway")

    def url(self, charge_point: str, *, secure: bool) -> str:
        return f"{self.wss if secure else self.ws}/OCPP16/{self.tenant}/{self.token}/{charge_point}"


@contextmanager
def csms_up(workers: int = 1) -> Iterator[System]:
    """Run `csms up` on a throw-away data directory until the block ends."""
    with tempfile.TemporaryDirectory(prefix="csms-bench-") as directory:
        options = (
            "--json",
            "--ports",
            "0",
            "--workers",
            str(workers),
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
            names = ("ws", "wss", "admin", "tenant", "token", "ca_file", "data_dir")
            yield System(
                **{name: ready[name] for name in names},
                up=up.pid,
                gateway=_child(up.pid, "gateway"),
                server=_child(up.pid, "valkey-server"),
            )
        finally:
            up.send_signal(signal.SIGTERM)
            up.wait(_STOP_S)
            up.stdout.close()


async def read_store(system: System) -> tuple[int, int]:
    """Return the bytes of the file and of the memory that the store uses."""
    url = (Path(system.data_dir) / "store-url").read_text()
    async with open_store(StoreConfig(url=url)) as store:
        file, memory = await ask_info(store, "persistence"), await ask_info(store, "memory")
    return int(file["aof_current_size"]), int(memory["used_memory"])


def find_children(parent: int, word: str | None = None) -> list[int]:
    """Return the children of a process, or those with a word in their command."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text(encoding="ascii").rpartition(")")[2].split()
            command = (status.parent / "cmdline").read_bytes().decode().replace("\0", " ").split()
        except OSError:
            continue
        if int(fields[1]) == parent and (
            word is None or any(part.rpartition("/")[2] == word for part in command)
        ):
            found.append(int(status.parent.name))
    return sorted(found)


def _child(parent: int, word: str) -> int:
    for child in find_children(parent, word):
        return child
    raise SystemExit(f"bench: csms up has no {word} process")
