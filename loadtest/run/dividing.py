"""How a fleet is divided into processes, and the limits that a process has."""

import math
import os
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from gateway.service.open_files import raise_file_limit

FILES_MAX = 20_000
"""Greatest number of files of a process, whatever the system would allow."""
FILES_RESERVE = 500
_PER_PROCESS = 5_000
"""Number of charge points from which a second core is worth a second process."""
_PORTS_PER_ADDRESS = 14_000
"""Charge points of one source address: half of its ports, because ports rest after a connection."""
_ADDRESSES_MAX = 250
_PORTS = 28_232


class TooLarge(Exception):  # noqa: N818  it says what happened
    """The fleet does not fit; the text says what would be right."""


def raise_and_count_files() -> int:
    """Allow this process as many open files as it may have. Return how many a process shall use at most."""
    return min(raise_file_limit(), FILES_MAX)


def find_process_count(charge_points: int, asked: int | None, *, files: int, cores: int) -> int:
    """Return the number of processes for a fleet. Raises TooLarge."""
    room = files - FILES_RESERVE
    if room <= 0:
        raise TooLarge(
            f"the limit of open files is {files}; raise it to {FILES_RESERVE * 2} or more (ulimit -n)"
        )
    least = math.ceil(charge_points / room)
    if asked is None:
        return max(least, min(cores, math.ceil(charge_points / _PER_PROCESS)))
    if asked < least:
        raise TooLarge(
            f"{charge_points:,} charge points need {least} processes or more, because a process may open "
            f"{files:,} files; give --processes that number"
        )
    return min(asked, charge_points)


def divide(first: int, end: int, number: int) -> list[tuple[int, int]]:
    """Divide the numbers from `first` to before `end` into as many ranges, of equal size within one."""
    size = end - first
    edges = [first + size * at // number for at in range(number + 1)]
    return list(pairwise(edges))


def find_source_addresses(url: str, charge_points: int, asked: int | None) -> int:
    """Return how many addresses 127.0.0.x a fleet connects from. With 0, the system chooses the address."""
    loopback = is_loopback(url)
    if asked is not None:
        if asked and not loopback:
            raise TooLarge(
                "--source-addresses are addresses 127.0.0.x; use them only with a --url of 127.0.0.1"
            )
        return asked
    if not loopback or charge_points <= _PORTS_PER_ADDRESS:
        return 0
    return min(math.ceil(charge_points / _PORTS_PER_ADDRESS), _ADDRESSES_MAX)


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host == "localhost" or host.startswith("127.")


def count_cores() -> int:
    return len(os.sched_getaffinity(0))


def count_ports() -> int:
    """Return how many ports of one address are for outgoing connections."""
    try:
        first, last = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()
    except (OSError, ValueError):
        return _PORTS
    return int(last) - int(first) + 1
