from pathlib import Path


def gone(pid: int) -> bool:
    """Ended, whether or not it has been collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith(("Z", "X"))
    except FileNotFoundError:
        return True
