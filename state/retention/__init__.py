"""Every kind of key in the store: who owns it, when it goes, and how much it may hold.

A test compares this table with keys.py, and with the keys of a store after a busy day. docs/retention.md is
made from it. A kind is the name in the middle of a key: `transaction` in `{tag}:transaction:demo/CP1/7`, and
`node` in `csms:node:{...}`.
"""

from state.retention import charge_points, shared, tenants, transactions
from state.retention.kind import Kind

KINDS: dict[str, tuple[Kind, ...]] = {
    "Store and nodes": shared.KINDS,
    "Tenants and partitions": tenants.KINDS,
    "Charge points": charge_points.KINDS,
    "Transactions": transactions.KINDS,
}
"""By the heading of the documentation."""

__all__ = ["KINDS", "Kind"]
