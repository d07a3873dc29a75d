"""One admin process examines the charge points of all tenants."""

import pytest

from admin.troubles import Examining
from state import charge_points, troubles
from state.charge_points import Settings
from state.store import Store
from state.tenants import tenants


@pytest.fixture
async def fleet(store: Store) -> Store:
    for tenant, number in (("acme", 3), ("other", 2), ("empty", 0)):
        await tenants.put(store, tenant, name=tenant, auto_register=False)
        for one in range(number):
            await charge_points.put(store, tenant, f"CP-{one}", Settings())
    return store


async def test_a_turn_examines_the_charge_points_of_all_tenants(fleet: Store) -> None:
    examining = Examining(fleet, "a")
    await examining.turn()
    assert examining.examined == 5
    for tenant in ("acme", "other", "empty"):
        assert (await troubles.read_overview(fleet, tenant, 0, 1)).examined_ms is not None
    assert (await troubles.read_overview(fleet, "acme", 0, 1)).counts.never_connected == 3
    figures = {one.name: one.value for one in examining.readings()}
    assert figures["csms_troubles_examined"] == 5
    assert figures["csms_troubles_round_seconds"] == examining.round_s > 0


async def test_only_one_process_examines(fleet: Store) -> None:
    first, second = Examining(fleet, "a"), Examining(fleet, "b")
    await first.turn()
    await second.turn()
    assert (first.examined, second.examined) == (5, 0)
    assert second.round_s == 0
    await first.turn()
    assert first.examined == 10
