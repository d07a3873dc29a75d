"""Transactions: store a start or a stop with its answer, and list what is stored.

The modules of this package also keep the stops and meter values that belong to no known transaction.
"""

from state.transactions.listing import Transaction, get, list_, parse_public_id, public_id
from state.transactions.running import Hold, prolong_holds, release_hold
from state.transactions.starting import (
    Limit,
    Present,
    Replayed,
    Start,
    Started,
    StartOutcome,
    find_start,
    start,
)
from state.transactions.stopping import Orphaned, Stop, StopOutcome, Stopped, StopReplayed, stop

__all__ = [
    "Hold",
    "Limit",
    "Orphaned",
    "Present",
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
    "release_hold",
    "start",
    "stop",
]
