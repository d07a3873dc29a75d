"""The life of a command: every status, and every move between two of them.

An operator's request becomes a record in the partition of its charge point. The record is the truth. A
message to a node's inbox only says that there is something to read, so a lost message costs a second, never a
command.

Waiting. A command is `queued` until the session of its charge point claims it, and `sent` after that. While
it waits, it is in `pending` (the order in which a session sends) and in `overdue` (the order of deadlines).
After that it is in neither. A charge point that is offline or whose queue is full gets no command: the record
begins and ends as `offline` or `busy`.

Sent. A session claims a command right before it writes the call to its socket. The claim has a nonce. A
second claim with the same nonce gets the same answer, so a lost reply does no harm. No other claim succeeds.
`sent` means that the charge point may have received the call, not that it has.

Moves, and the actor of each.

from             to                how queued           sent              claim: a session of this charge
point that holds the lease queued           expired           a session that came too late, or a gateway's
sweep at the deadline queued           offline           the process that submitted it, or waits for it, found
no session to wake sent             answered, error   the charge point answered with a CALLRESULT or a
CALLERROR sent             expired           the session claimed it, and saw the deadline pass before it wrote
sent             timeout           the session, or a gateway's sweep, after the deadline passed on the wire
sent             unknown           the next session of the charge point, because the one before has ended
timeout, unknown answered, error   the answer came late; it is stored nevertheless

No other move exists. A caller gives a step the moves that it wants, as a text made from this table. The step
does nothing and returns `taken` if the status has moved on: two callers may race, and the first one wins.
Ends are not fenced, because an answer is a fact from any session.

We never repeat RemoteStart, RemoteStop, Reset, Unlock and reservations. After `unknown` an operator decides.

A new status must also be described in admin/commands/answer.py. If it can be the end of a command without an
answer, it needs an entry of `_FAILURES` in admin/commands/send.py too.
"""

from typing import Final, Literal

Status = Literal["queued", "sent", "answered", "error", "expired", "timeout", "offline", "busy", "unknown"]

TABLE: Final[dict[Status, frozenset[Status]]] = {
    # Waits for its session. `offline` means that the node to be woken is gone.
    "queued": frozenset({"sent", "expired", "offline"}),
    # Claimed by a session. `expired` means that the deadline passed before the session wrote to the socket.
    "sent": frozenset({"answered", "error", "expired", "timeout", "unknown"}),
    # The deadline passed on the wire, or the session ended. The answer may have been lost, or may still come.
    "timeout": frozenset({"answered", "error"}),
    "unknown": frozenset({"answered", "error"}),
    # These are final.
    "answered": frozenset(),
    "error": frozenset(),
    "expired": frozenset(),
    "offline": frozenset(),
    "busy": frozenset(),
}

WAITING: Final[frozenset[Status]] = frozenset({"queued", "sent"})
"""Commands with these are in `pending` and `overdue`.

Every other status is an end, but perhaps not the last.
"""

OVERDUE: Final[dict[Status, Status]] = {"queued": "expired", "sent": "timeout"}
"""The moves that the sweep makes after the deadline of a command."""

LATE: Final[dict[Status, Status]] = {"queued": "expired", "sent": "expired"}
"""The moves of a session that claimed a command too late, and so never wrote the call."""

ORPHANED: Final[dict[Status, Status]] = {"sent": "unknown"}
"""The moves of a new session, for the commands of earlier sessions."""


def moves_to(status: Status) -> dict[Status, Status]:
    return {before: status for before, after in TABLE.items() if status in after}


def text(moves: dict[Status, Status]) -> str:
    """Write moves as the Lua function `value_of` reads them.

    Raises ValueError for a move outside the table.
    """
    for before, after in moves.items():
        if after not in TABLE[before]:
            raise ValueError(f"a command never goes from {before} to {after}; TABLE has the moves that exist")
    return " ".join(f"{before}={after}" for before, after in moves.items())
