"""The ids of charge points as operators spelled them, to be found in any case.

OCPP 1.6 ids are compared letter for letter, but some charge points change the case of the id that they were
given. The id is unambiguous only if exactly one spelling was registered.
"""

from state import keys
from state.store import Store
from state.tenants.id_tags import fold


async def remember(store: Store, tenant: str, charge_point: str) -> None:
    await store.execute("SADD", keys.spellings(tenant, fold(charge_point)), charge_point)


async def forget(store: Store, tenant: str, charge_point: str) -> None:
    await store.execute("SREM", keys.spellings(tenant, fold(charge_point)), charge_point)


async def find_only(store: Store, tenant: str, charge_point: str) -> str | None:
    """Return the one registered id that differs from this in the case of A to Z at most, or None.

    None means that there is no such id, or more than one.
    """
    found = await store.execute("SMEMBERS", keys.spellings(tenant, fold(charge_point)))
    return found.pop().decode() if len(found) == 1 else None
