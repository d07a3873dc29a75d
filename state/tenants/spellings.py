"""The ids of charge points as operators spelled them, so that an id can be found in any case.

OCPP 1.6 ids are compared letter for letter, but some charge points change the case of the id that they were
given. An id in another case is unambiguous only if exactly one spelling of the id was registered.
"""

from state import keys
from state.store import Store
from state.tenants.id_tags import fold


async def remember(store: Store, tenant: str, charge_point: str) -> None:
    await store.execute("SADD", keys.spellings(tenant, fold(charge_point)), charge_point)


async def forget(store: Store, tenant: str, charge_point: str) -> None:
    await store.execute("SREM", keys.spellings(tenant, fold(charge_point)), charge_point)


async def find_only(store: Store, tenant: str, charge_point: str) -> str | None:
    """Return the registered id that is equal to this id, or differs only in the case of A to Z.

    None means that no such id is registered, or that more than one is registered.
    """
    found = await store.execute("SMEMBERS", keys.spellings(tenant, fold(charge_point)))
    return found.pop().decode() if len(found) == 1 else None
