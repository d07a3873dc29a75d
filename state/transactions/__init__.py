"""Transactions: store a start or a stop with its answer, and list what is stored.

The modules of this package also keep the stops and meter values that belong to no known transaction.
"""

from state.transactions.facts import (
    Hold,
    Limit,
    Orphaned,
    Replayed,
    Start,
    Started,
    StartOutcome,
    Stop,
    StopOutcome,
    Stopped,
    StopReplayed,
    find_start,
    prolong_holds,
    start,
    stop,
)
from state.transactions.listing import Transaction, get, list_, parse_public_id, public_id

__all__ = [
    "Hold",
    "Limit",
    "Orphaned",
    "Replayed",
    "Start",
    "StartOutcome",
    "Started",
    "Stop",
    "StopOutcome",
    "StopReplayed",
    "Stopped",
    "Transaction",
    "find_start",
    "get",
    "list_",
    "parse_public_id",
    "prolong_holds",
    "public_id",
    "start",
    "stop",
]
