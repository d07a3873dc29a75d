"""Purging: destroy the transactions of a tenant whose charge points are all deleted."""

from state import keys as key_names
from state.keys import ChargePointKeys
from state.store import Store
from state.transactions.forgetting import forget_many
from state.transactions.listing import list_, public_id, split_index_name

_AT_ONCE = 200


async def purge(store: Store, tenant: str) -> str | None:
    """Destroy all finished transactions of a tenant that are in the store.

    Returns the public id of an open transaction. If there was one at the beginning, nothing is destroyed.
    After an interruption, the next call destroys the rest. The purge also works on a full store.
    """
    running = await list_(store, tenant, open_=True, limit=1)
    for one in running.items:
        return public_id(one.charge_point, one.id)
    for partition in range(key_names.PARTITIONS):
        index = key_names.transactions(partition, tenant)
        while listed := await store.execute("ZRANGE", index, 0, _AT_ONCE - 1):
            named = [(tenant, *split_index_name(member)) for member in listed]
            outcomes = await forget_many(store, named, only_archived=False, purge=True)
            if "open" in outcomes:
                _, charge_point, id_ = named[outcomes.index("open")]
                return public_id(charge_point, id_)
            # A purge of the charge point may have been interrupted, or may have removed the record already.
            buried = {ChargePointKeys(tenant, charge_point).buried for _, charge_point, _ in named}
            await store.pipeline([("ZREM", key, *listed) for key in (index, *buried)])
    return None
