"""Forgetting a finished transaction.

Nothing calls this by itself: what was acknowledged is kept until somebody says otherwise.
"""

from state.keys import ChargePointKeys
from state.scripts import script
from state.store import Store
from state.transactions.listing import parse_public_id

_FORGET = script("transactions/forget")


async def forget(store: Store, tenant: str, public_id: str, *, finished_before_ms: int) -> bool:
    """Drop a transaction whose stop was received before then: facts, meter values, fingerprint, indexes.

    False: it is open, younger or unknown. A resent stop of it becomes an orphan. Raises ValueError if this is
    no transaction's id.
    """
    charge_point, transaction_id = parse_public_id(public_id)
    keys = ChargePointKeys(tenant, charge_point)
    reply = await store.step(
        _FORGET,
        (
            keys.starts,
            keys.history,
            keys.transactions,
            keys.transaction(transaction_id),
            keys.values(transaction_id),
        ),
        (transaction_id, finished_before_ms),
    )
    return bool(reply[0] == b"forgotten")
