"""Finds the processes of one `csms up` by their command lines."""

from pathlib import Path


def children(pid: int) -> dict[int, str]:
    """Return the command line of each child by its pid."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found[int(child)] = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def child(pid: int, runs: str) -> int:
    """Return the pid of the one child whose command line contains `runs`."""
    [found] = [number for number, line in children(pid).items() if runs in line]
    return found
