"""Transactions: their facts, how they are listed, and what belongs to none."""

from state.transactions.facts import (
    Hold,
    Orphaned,
    Replayed,
    Start,
    Started,
    Stop,
    Stopped,
    StopReplayed,
    find_start,
    fingerprint,
    start,
    stop,
)
from state.transactions.listing import Transaction, get, list_, parse_public_id, public_id

__all__ = [
    "Hold",
    "Orphaned",
    "Replayed",
    "Start",
    "Started",
    "Stop",
    "StopReplayed",
    "Stopped",
    "Transaction",
    "find_start",
    "fingerprint",
    "get",
    "list_",
    "parse_public_id",
    "public_id",
    "start",
    "stop",
]
