"""The life of a command: every status, and every move between two of them.

An operator's request becomes a record in the partition of its charge point. The record is the only state of
the command. A message to a node's inbox only says that a record can be read, so if the message is lost, the
command is a second late, but it is not lost.

Waiting. A command is `queued` until the session of its charge point claims it, and `sent` after that. A
queued or sent command is in the sorted sets `pending` (the order in which a session sends) and `overdue` (the
order of deadlines). A command that has ended is removed from both sets. If the charge point is offline or its
queue is full, the command is never sent. The record of such a command has the status `offline` or `busy` from
the beginning.

Waiting for the charge point. A command with `when=online` is `waiting` until a session claims it, even if the
charge point is online already. It is then in `waiting_commands` and `waiting`, which are like `pending` and
`overdue`, but have their own bounds. Its deadline is the end of the wait. The claim gives it the deadline for
the answer, and moves it to `pending` and `overdue`.

Sent. A session claims a command right before it writes the call to its socket. The claim of a command has a
nonce. A second claim with the same nonce gets the same answer, so a lost reply does no harm. A claim with
another nonce fails. `sent` means only that the charge point may have received the call.

These are the moves between the statuses, each with its actor.

A queued command becomes sent when the session that holds the lease of the charge point claims it. A queued
command becomes expired if a session claims it after the deadline, or if the sweep of a gateway finds it after
the deadline. A queued command becomes offline if no session can be woken. The process that submitted the
command or waits for it records that.

A waiting command becomes sent when the session that holds the lease claims it, which the session does only
while the charge point is accepted. A waiting command becomes expired like a queued one.

A queued or waiting command becomes cancelled when an operator cancels it, or deletes the charge point while
the command is waiting.

A sent command becomes queued or waiting again, as it was before, if its session ends before it has written
anything of the call; the session records that. A command is queued again only before its deadline.

A sent command becomes answered or error when the charge point answers with a CALLRESULT or a CALLERROR. A
sent command becomes expired if the deadline passes before its session has written the call; the session
records that. A sent command becomes timeout if the deadline passes after the call was written; the session
records that, or a gateway's sweep, or the process that waits for the command. A sent command becomes unknown
if its session ends; that session records it, or the next session of the charge point.

A command with the status timeout becomes expired if its session reports that it never wrote the call. Only
that session knows this, so another process may have recorded the timeout before.

A command with the status timeout or unknown becomes answered or error if the charge point's answer still
comes.

No other move between two statuses exists. A caller passes to a Lua step the moves that the step may make, as
a text made from this table. If none of these moves begins at the present status, the step does nothing and
returns `taken`. So if two callers race, the first one wins. A session may record an end without holding the
lease, because an answer is a fact.

csms never repeats a RemoteStart, RemoteStop, Reset, Unlock or reservation. If one of these commands ends as
`unknown`, an operator must decide what to do.

A new status must also be described in admin/commands/answer.py. If a command can end with the new status
although no answer came, the status also needs an entry in `_FAILURES` in admin/commands/send.py.
"""

from typing import Final, Literal

Status = Literal[
    "waiting",
    "queued",
    "sent",
    "answered",
    "error",
    "expired",
    "timeout",
    "offline",
    "busy",
    "unknown",
    "cancelled",
]

TABLE: Final[dict[Status, frozenset[Status]]] = {
    # A waiting command waits until its charge point is online and accepted.
    "waiting": frozenset({"sent", "expired", "cancelled"}),
    # A queued command waits for its session. A queued command becomes `offline` if the node that should be
    # woken is gone.
    "queued": frozenset({"sent", "expired", "offline", "cancelled"}),
    # A session claimed the command. A sent command becomes `expired` if the deadline passed before the
    # session wrote the call.
    "sent": frozenset({"waiting", "queued", "answered", "error", "expired", "timeout", "unknown"}),
    # The deadline passed after the call was sent, or the session ended. The answer was lost or may still
    # come.
    "timeout": frozenset({"answered", "error", "expired"}),
    "unknown": frozenset({"answered", "error"}),
    # These statuses never change.
    "answered": frozenset(),
    "error": frozenset(),
    "expired": frozenset(),
    "offline": frozenset(),
    "busy": frozenset(),
    "cancelled": frozenset(),
}

WAITING: Final[frozenset[Status]] = frozenset({"waiting", "queued", "sent"})
"""Statuses that are no end.

Queued and sent commands are in `pending` and `overdue`, and waiting ones in `waiting_commands` and `waiting`.
Every other status is an end, but `timeout` and `unknown` can still change.
"""

OVERDUE: Final[dict[Status, Status]] = {"waiting": "expired", "queued": "expired", "sent": "timeout"}
"""The moves that the sweep makes after the deadline of a command."""

LATE: Final[dict[Status, Status]] = {
    "waiting": "expired",
    "queued": "expired",
    "sent": "expired",
    "timeout": "expired",
}
"""The moves that a session makes if it claimed a command too late and therefore never wrote the call."""

UNWRITTEN: Final[dict[Status, Status]] = {"sent": "queued"}
"""The move that a session makes if it ends before it has written the call."""

UNWRITTEN_ONLINE: Final[dict[Status, Status]] = {"sent": "waiting"}
"""The same move of a command with `when=online`."""

ORPHANED: Final[dict[Status, Status]] = {"sent": "unknown"}
"""The move that a new session makes for the commands of earlier sessions."""


def moves_to(status: Status) -> dict[Status, Status]:
    return {before: status for before, after in TABLE.items() if status in after}


def text(moves: dict[Status, Status]) -> str:
    """Write moves as a text that the Lua function `value_of` can read.

    Raises ValueError for a move outside the table.
    """
    for before, after in moves.items():
        if after not in TABLE[before]:
            raise ValueError(f"a command never goes from {before} to {after}; TABLE has the moves that exist")
    return " ".join(f"{before}={after}" for before, after in moves.items())
