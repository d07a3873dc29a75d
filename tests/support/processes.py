from pathlib import Path
from signal import Signals


def gone(pid: int) -> bool:
    """Ended, whether or not it has been collected: whoever inherits it may take its time."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith(("Z", "X"))
    except (FileNotFoundError, ProcessLookupError):
        return True


def handles(pid: int, number: Signals) -> bool:
    """It has a handler for the signal, be it only Python's own for SIGINT."""
    status = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["SigCgt"], 16) >> number - 1 & 1)
