"""Transactions: their facts, how they are listed, and what belongs to none."""

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
