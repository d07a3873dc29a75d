"""What a run of the benchmark found, and its file."""

import os
import platform
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec

from tests.bench.peers.install import BUILD

FILE: Final = BUILD / "results.json"


class Cell(msgspec.Struct):
    """One measurement of a load. A message is a call, and a pair of start and stop for `start-stop`."""

    server: str
    message: str
    connections: int
    us: float
    """CPU of the server for each message, in microseconds."""
    store_us: float
    client_us: float
    rate: float
    """Messages a second."""
    server_share: float
    """Of a core. The server was saturated if it is near 1."""
    client_share: float
    half_us: float | None = None
    """Like `us`, at half of `rate`."""
    p50_ms: float | None = None
    p99_ms: float | None = None


class Idle(msgspec.Struct):
    """Memory of an idle connection."""

    server: str
    plain_kib: float
    tls_kib: float


class Connecting(msgspec.Struct):
    """CPU from the start of a TLS handshake until a boot was accepted, and the end of the connection."""

    server: str
    ms: float
    client_ms: float


class Results(msgspec.Struct, kw_only=True):
    date: str
    machine: str
    command: str
    versions: dict[str, str]
    missing: list[str]
    titles: dict[str, str]
    """Of the servers that were measured, in the order of the tables."""
    stores: dict[str, str]
    cells: list[Cell] = []
    idle: list[Idle] = []
    connecting: list[Connecting] = []

    def find(self, server: str, message: str, connections: int) -> list[Cell]:
        """Return the cells of all rounds."""
        return [
            one
            for one in self.cells
            if (one.server, one.message, one.connections) == (server, message, connections)
        ]

    def messages(self) -> list[str]:
        return list(dict.fromkeys(one.message for one in self.cells))

    def connections(self) -> list[int]:
        return sorted({one.connections for one in self.cells})


def median[T](found: Iterable[T], read: Callable[[T], float | None]) -> float | None:
    """Return the median of what was measured, or None if nothing was."""
    values = [value for one in found if (value := read(one)) is not None]
    return statistics.median(values) if values else None


def save(results: Results) -> None:
    FILE.write_bytes(msgspec.json.format(msgspec.json.encode(results)))


def load() -> Results:
    return msgspec.json.decode(FILE.read_bytes(), type=Results)


def describe_machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{os.cpu_count()} cores of {model or platform.machine()}, Linux {platform.release()}"
