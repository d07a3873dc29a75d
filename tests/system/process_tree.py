"""The processes of one `csms up`, by what they run."""

from pathlib import Path


def children(pid: int) -> dict[int, str]:
    """Child -> its command line."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found[int(child)] = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def child(pid: int, runs: str) -> int:
    """The one child whose command line holds `runs`."""
    [found] = [number for number, line in children(pid).items() if runs in line]
    return found
