"""The memory that this process uses and may use."""

import os
import resource
from pathlib import Path
from typing import NamedTuple

_PAGE = os.sysconf("SC_PAGE_SIZE")
_CGROUPS = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 60
"""cgroup 1 reports about 2^63 if there is no limit."""


class Used(NamedTuple):
    resident: int
    address_space: int


def read_used() -> Used | None:
    """Return the memory of this process in bytes, or None on a system without /proc."""
    try:
        size, resident, *_ = Path("/proc/self/statm").read_text().split()
    except OSError:
        return None
    return Used(int(resident) * _PAGE, int(size) * _PAGE)


def total_memory() -> int:
    """Return the bytes of memory of the container, or of the machine without a container's limit."""
    machine = os.sysconf("SC_PHYS_PAGES") * _PAGE
    return min(machine, container_memory() or machine)


def container_memory(groups: Path = Path("/proc/self/cgroup"), root: Path = _CGROUPS) -> int | None:
    """Return the smallest memory limit of the cgroups of this process, or None if there is no limit."""
    try:
        lines = groups.read_text().splitlines()
    except OSError:
        return None
    limits = [limit for line in lines for limit in _limits_of(line, root)]
    return min(limits, default=None)


def address_space_limit() -> int | None:
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft


def _limits_of(line: str, root: Path) -> list[int]:
    """Return the limits of one line of /proc/self/cgroup, for this group and those around it."""
    _, kinds, path = line.split(":", 2)
    if not kinds:
        places, name = [root, root / "unified"], "memory.max"
    elif "memory" in kinds.split(","):
        places, name = [root / "memory"], "memory.limit_in_bytes"
    else:
        return []
    below = Path(path.lstrip("/"))
    files = [place / group / name for place in places for group in (below, *below.parents)]
    return [limit for file in files if (limit := _read_limit(file)) is not None]


def _read_limit(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() and int(text) < _NO_LIMIT else None
