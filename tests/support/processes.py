"""What the kernel knows about a process."""

import os
from contextlib import suppress
from pathlib import Path
from signal import Signals

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def exact_cpu_s(pid: int) -> float:
    """Return the CPU time of the threads that still run, to the nanosecond instead of to the clock tick."""
    spent = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            spent += int((thread / "schedstat").read_text().split()[0])
    return spent / 1e9


def pin(pid: int, core: int) -> None:
    """Keep all threads of a process on one core, which is taken modulo the number of cores."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), {core % (os.cpu_count() or 1)})


def resident_kib(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def gone(pid: int) -> bool:
    """Return whether the process has ended, even if its parent has not collected it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith(("Z", "X"))
    except (FileNotFoundError, ProcessLookupError):
        return True


def handles(pid: int, number: Signals) -> bool:
    """Return whether the process has a handler for the signal.

    This includes the handler that Python itself sets for SIGINT.
    """
    return _is_in("SigCgt", pid, number)


def blocks(pid: int, number: Signals) -> bool:
    """Return whether the signal waits until the process lets it in."""
    return _is_in("SigBlk", pid, number)


def _is_in(mask: str, pid: int, number: Signals) -> bool:
    status = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status[mask], 16) >> number - 1 & 1)
