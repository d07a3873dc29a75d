"""What the processes of a run have used so far, and the memory that they have now."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import trio

from tests.bench.gateway.processes import System, find_children, read_store
from tests.support.processes import cpu_s

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


class Cpu(NamedTuple):
    """Seconds of CPU. `machine` is that of all processes, and those of others too. `at` is on a clock."""

    at: float
    gateways: float
    store: float
    generators: float
    machine: float

    @classmethod
    def read(cls, system: System, generators: list[int]) -> "Cpu":
        return cls(
            time.monotonic(),
            _read_children_s(system.up, system.gateways()),
            cpu_s(system.server),
            sum(map(cpu_s, generators)),
            _read_busy_s(Path("/proc/stat").read_text()),
        )

    def since(self, before: "Cpu") -> "Cpu":
        return Cpu(*(now - then for now, then in zip(self, before, strict=True)))


class Memory(NamedTuple):
    """KiB. `kernel` is what the kernel uses for sockets, files and page tables, in the whole machine.

    That of the gateways is without the pages of files, because generators that start take a share of these.
    """

    gateways: float
    store: float
    generators: float
    kernel: float

    @classmethod
    def read(cls, system: System, generators: list[int]) -> "Memory":
        _file, used = trio.run(read_store, system)
        return cls(
            sum(_read_memory_kib(pid, "Pss_Anon") for pid in system.gateways()),
            used / 1024,
            sum(_read_memory_kib(pid, "Pss") for pid in generators),
            _read_kernel_kib(
                Path("/proc/meminfo").read_text(), Path("/proc/net/sockstat").read_text(), _PAGE_KIB
            ),
        )

    def less(self, before: "Memory") -> "Memory":
        return Memory(*(now - then for now, then in zip(self, before, strict=True)))


def find_generators(load_test: int) -> list[int]:
    """Return the processes of a load test: the one that leads, and those of the charge points."""
    return [load_test, *find_children(load_test)]


def read_available_kib() -> int:
    return _read_kib(Path("/proc/meminfo").read_text(), "MemAvailable")


def _read_children_s(parent: int, children: list[int]) -> float:
    """Return the seconds of some children, and of those that have ended, because a storm may kill them."""
    fields = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()
    ended = (int(fields[13]) + int(fields[14])) / _TICKS
    for child in children:
        with suppress(FileNotFoundError, ProcessLookupError):
            ended += cpu_s(child)
    return ended


def _read_memory_kib(pid: int, kind: str) -> int:
    return _read_kib(Path(f"/proc/{pid}/smaps_rollup").read_text(), kind)


def _read_busy_s(stat: str) -> float:
    """Return the seconds that all cores were not idle since the machine started, of /proc/stat."""
    user, nice, system, _idle, _wait, interrupts, soft, *_ = map(int, stat.splitlines()[0].split()[1:])
    return (user + nice + system + interrupts + soft) / _TICKS


def _read_kernel_kib(meminfo: str, sockstat: str, page_kib: int) -> int:
    tcp = next(line.split() for line in sockstat.splitlines() if line.startswith("TCP:"))
    buffers = int(tcp[tcp.index("mem") + 1]) * page_kib
    return _read_kib(meminfo, "Slab") + _read_kib(meminfo, "PageTables") + buffers


def _read_kib(text: str, name: str) -> int:
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name}:"))
