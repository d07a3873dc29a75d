from pathlib import Path
from signal import Signals


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
    status = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["SigCgt"], 16) >> number - 1 & 1)
