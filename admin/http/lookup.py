"""Find the charge point or other object that a path names, or answer 404."""

from admin.http.names import NUMBER
from admin.http.problems import must_exist, not_found
from state import charge_points
from state.charge_points import ChargePointRecord
from state.keys import ChargePointKeys
from state.store import Store


async def charge_point(store: Store, tenant: str, id_: str) -> ChargePointRecord:
    """Return the record of a charge point. Raises Problem (404)."""
    return must_exist(await charge_points.get(store, tenant, id_), "charge point")


async def charge_point_keys(store: Store, tenant: str, id_: str) -> ChargePointKeys:
    """Return the keys of a charge point that exists. Raises Problem (404)."""
    await charge_point(store, tenant, id_)
    return ChargePointKeys(tenant, id_)


def parse_number(text: str, what: str) -> int:
    """Read an id in the path that is a number. `what` is the noun for the 404. Raises Problem (404)."""
    if not NUMBER.fullmatch(text):
        raise not_found(what)
    return int(text)
