"""Commands that an operator sends to a charge point."""

from state.commands.commands import (
    Conflict,
    Go,
    Gone,
    Late,
    Settled,
    Submitted,
    Taken,
    claim,
    get,
    is_next,
    list_pending,
    mark_unknown,
    settle,
    settle_call,
    submit,
    under_key,
)
from state.commands.record import Command, command_id

__all__ = [
    "Command",
    "Conflict",
    "Go",
    "Gone",
    "Late",
    "Settled",
    "Submitted",
    "Taken",
    "claim",
    "command_id",
    "get",
    "is_next",
    "list_pending",
    "mark_unknown",
    "settle",
    "settle_call",
    "submit",
    "under_key",
]
