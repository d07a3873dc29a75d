"""The one written table of a command's life. A Lua step gets its part as an argument and knows no other."""

from typing import Final, Literal

Status = Literal["queued", "sent", "answered", "error", "expired", "timeout", "offline", "busy", "unknown"]

FIRST: Final[frozenset[Status]] = frozenset({"queued", "offline", "busy"})
"""What a command may be recorded as."""

TABLE: Final[dict[Status, frozenset[Status]]] = {
    # Waits for its session. `offline`: the node that was to be woken is gone.
    "queued": frozenset({"sent", "expired", "offline"}),
    # Claimed by a session. `expired`: the session found its time over before it wrote it to the socket.
    "sent": frozenset({"answered", "error", "expired", "timeout", "unknown"}),
    # Out of time on the wire, or its session died with it: the answer may have come, or still come.
    "timeout": frozenset({"answered", "error"}),
    "unknown": frozenset({"answered", "error"}),
    # The last word.
    "answered": frozenset(),
    "error": frozenset(),
    "expired": frozenset(),
    "offline": frozenset(),
    "busy": frozenset(),
}

WAITING: Final[frozenset[Status]] = frozenset({"queued", "sent"})
"""These stand in `pending` and in `overdue`; every other is settled."""

OVERDUE: Final[dict[Status, Status]] = {"queued": "expired", "sent": "timeout"}
"""What the sweep makes of a command whose deadline has passed."""

LATE: Final[dict[Status, Status]] = {"queued": "expired", "sent": "expired"}
"""What the session makes of a command that it claimed too late: it never wrote it."""

ORPHANED: Final[dict[Status, Status]] = {"sent": "unknown"}
"""What a new session makes of its predecessors' commands."""


def moves_to(status: Status) -> dict[Status, Status]:
    return {before: status for before, after in TABLE.items() if status in after}


def text(moves: dict[Status, Status]) -> str:
    """As the Lua function `value_of` reads it. Raises ValueError for a move that the table does not allow."""
    for before, after in moves.items():
        if after not in TABLE[before]:
            raise ValueError(f"a command never goes from {before} to {after}")
    return " ".join(f"{before}={after}" for before, after in moves.items())
