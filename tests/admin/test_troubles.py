"""One admin process examines the charge points of all tenants."""

import pytest

from admin.troubles import Examining
from state import charge_points, transactions, troubles
from state.charge_points import Settings
from state.keys import ChargePointKeys
from state.store import Store
from state.tenants import tenants
from tests.support.leases import claimed
from tests.support.transactions import ANSWER, a_start


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


async def test_open_transactions_are_counted_by_the_process_that_examines(fleet: Store) -> None:
    now_ms = fleet.server_time_ms()
    for id_, age_ms in (("CP-0", 5_000_000), ("CP-1", 60_000)):
        lease = (await claimed(fleet, f"a/{id_}", ChargePointKeys("acme", id_))).lease
        start = a_start(id_tag="A", received_ms=now_ms - age_ms)
        await transactions.start(fleet, lease, start, ANSWER)
    examining = Examining(fleet, "a")
    figures = {one.name: one.value for one in examining.readings()}
    assert figures["csms_open_transactions"] == figures["csms_oldest_open_transaction_seconds"] == 0
    await examining.turn()
    figures = {one.name: one.value for one in examining.readings()}
    assert figures["csms_open_transactions"] == 2
    oldest = figures["csms_oldest_open_transaction_seconds"]
    assert isinstance(oldest, float)
    assert oldest >= 5_000
