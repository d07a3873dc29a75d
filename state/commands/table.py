"""The life of a command: every status, and every move between two of them.

An operator's request becomes a record in the partition of its charge point. The record is the truth: messages
to a node's inbox only say that there is something to read. So a lost message costs a second, never a command.

Waiting. A command is `queued` until the session of its charge point claims it, and `sent` from then on. It
stands in `pending` (the order in which a session sends) and in `overdue` (the order in which deadlines pass)
as long as it waits, and in neither afterwards. A charge point that is offline or whose queue is full gets
none: the record begins, and ends, as `offline` or `busy`.

Sent. A session claims a command right before it writes the call to its socket, with a nonce: the same claim
again gets the same answer, so a lost reply does no harm. Nobody else can claim it. `sent` says that the
charge point may have the call, not that it has it.

Moves and who makes them.

    from             to                how
    queued           sent              claim: a session of this charge point that holds the lease
    queued           expired           the session that came too late, or a gateway's sweep at the deadline
    queued           offline           the one who submitted it, or waits for it, found no session to wake
    sent             answered, error   the charge point answered with a CALLRESULT or a CALLERROR
    sent             expired           the session claimed it, and saw the deadline pass before it wrote
    sent             timeout           the deadline passed on the wire: the session, or a gateway's sweep
    sent             unknown           the next session of the charge point: the one before ended with it
    timeout, unknown answered, error   the answer came late; it is stored all the same

No other move exists. A step is told the moves that its caller means, as a text made from this table, and does
nothing (`taken`) if the status has moved on: two callers may race, and the first one wins. Ends are not
fenced, because an answer is a fact, from whichever session it comes.

RemoteStart, RemoteStop, Reset, Unlock and reservations are never repeated by us: after `unknown` an operator
decides.
"""

from typing import Final, Literal

Status = Literal["queued", "sent", "answered", "error", "expired", "timeout", "offline", "busy", "unknown"]

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
"""These stand in `pending` and in `overdue`; every other status is an end, though perhaps not the last."""

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
