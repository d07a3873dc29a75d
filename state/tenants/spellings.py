"""How operators spelt the ids of the charge points that they registered, found whatever the case.

OCPP 1.6 ids are compared letter for letter, and some charge points change the case of what they were given.
Only where exactly one spelling was registered is it known which charge point is meant.
"""

from state import keys
from state.store import Store
from state.tenants.id_tags import fold


async def remember(store: Store, tenant: str, charge_point: str) -> None:
    await store.execute("SADD", keys.spellings(tenant, fold(charge_point)), charge_point)


async def forget(store: Store, tenant: str, charge_point: str) -> None:
    await store.execute("SREM", keys.spellings(tenant, fold(charge_point)), charge_point)


async def find_only(store: Store, tenant: str, charge_point: str) -> str | None:
    """Find the id that differs from this in the case of A to Z at most; None unless it is the only one."""
    found = await store.execute("SMEMBERS", keys.spellings(tenant, fold(charge_point)))
    return found.pop().decode() if len(found) == 1 else None
