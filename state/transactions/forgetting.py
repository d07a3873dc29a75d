"""Forgetting: remove finished transactions from the store, with everything that belongs to them.

This is the only way in which a transaction leaves the store while its charge point is registered. An open
transaction is never forgotten. The step frees memory before it writes, so that it works on a full store.
"""

from collections.abc import Sequence
from typing import Literal

from state import keys as key_names
from state.keys import ChargePointKeys
from state.store import Store
from state.transactions.completed import KEPT_MS

type Outcome = Literal["forgotten", "open", "due", "unknown"]
"""`due` means that the transaction has changed since it was archived, or was never archived."""

_OUTCOMES: dict[bytes, Outcome] = {
    b"forgotten": "forgotten",
    b"open": "open",
    b"due": "due",
    b"unknown": "unknown",
}


async def forget(store: Store, tenant: str, charge_point: str, id_: int) -> bool:
    """Forget a finished transaction, archived or not. Returns False if it is open or unknown.

    A stop or meter values that the charge point sends again afterwards belong to an unknown transaction.
    """
    [outcome] = await forget_many(store, [(tenant, charge_point, id_)], only_archived=False)
    return outcome == "forgotten"


async def forget_many(
    store: Store,
    transactions: Sequence[tuple[str, str, int]],
    *,
    only_archived: bool,
    purge: bool = False,
) -> list[Outcome]:
    """Forget transactions in one round trip. Each is named by its tenant, its charge point and its id.

    With `only_archived`, a transaction is kept if it was never archived, or has changed since then. With
    `purge`, a deleted charge point without transactions also loses its last transaction id.
    """
    calls = []
    for tenant, charge_point, id_ in transactions:
        keys = ChargePointKeys(tenant, charge_point)
        transaction, *others = keys.of_transaction(id_)
        queues = (
            key_names.unpacked(keys.partition),
            key_names.unarchived(keys.partition),
            key_names.archived(keys.partition),
        )
        calls.append(
            (
                (
                    transaction,
                    keys.starts,
                    keys.history,
                    keys.transactions,
                    *queues,
                    keys.completed,
                    keys.record,
                    *others,
                ),
                (id_, keys.queued(id_), int(only_archived), 0 if purge else KEPT_MS, int(purge)),
            )
        )
    replies = await store.steps("transactions/forget", calls)
    return [_OUTCOMES[word] for [word] in replies]
