"""The charge point that a path names, or a 404."""

from admin.http.problems import not_found
from admin.services import services
from state import charge_points
from state.charge_points import ChargePoint
from state.keys import ChargePointKeys


async def known(tenant: str, charge_point: str) -> ChargePoint:
    """Raises Problem (404)."""
    found = await charge_points.get(services().store, tenant, charge_point)
    if found is None:
        raise not_found("charge point")
    return found


async def keys_of(tenant: str, charge_point: str) -> ChargePointKeys:
    """Raises Problem (404)."""
    await known(tenant, charge_point)
    return ChargePointKeys(tenant, charge_point)
