"""Records of refused handshakes: one for each claimed charge point, address and reason, and a bound."""

from collections import Counter
from typing import Any

import pytest

from state import keys
from state.paging import BadCursor
from state.store import Store
from state.tenants import refusal_records, tenants
from state.tenants.refusal_records import LISTED, SPARE, Filter, Kind, RefusalRecord, Refusals


def refused(
    number: int = 1,
    *,
    tenant: str | None = "acme",
    charge_point: str | None = "CP-1",
    address: str = "192.0.2.7",
    reason: str = "wrong_token",
) -> Refusals:
    return Refusals(tenant, charge_point, address, reason, 2, number, number + 5, f"detail {number}")


async def keep(store: Store, *refusals: Refusals, kind: Kind = "stranger") -> None:
    await refusal_records.record(store, [(one, kind) for one in refusals])


async def listed(store: Store, tenant: str | None = "acme", **wanted: Any) -> list[RefusalRecord]:
    found: list[RefusalRecord] = []
    cursor = None
    while True:
        page = await refusal_records.list_(
            store,
            tenant,
            Filter(**wanted),
            cursor=cursor,
            limit=1_000,
        )
        found += page.items
        if (cursor := page.next) is None:
            return found


@pytest.fixture
async def acme(store: Store) -> Store:
    await tenants.put(store, "acme", name="Acme", auto_register=False)
    return store


async def test_one_record_has_the_first_and_the_last_time_the_number_and_the_last_detail(acme: Store) -> None:
    await keep(acme, refused(100))
    await keep(acme, refused(200))
    assert await listed(acme) == [
        RefusalRecord(
            tenant="acme",
            charge_point="CP-1",
            address="192.0.2.7",
            reason="wrong_token",
            times=4,
            first_ms=100,
            last_ms=205,
            detail="detail 200",
        )
    ]


async def test_each_claimed_charge_point_address_and_reason_has_a_record(acme: Store) -> None:
    await keep(
        acme,
        refused(1),
        refused(2, charge_point="CP-2"),
        refused(3, address="192.0.2.8"),
        refused(4, reason="no_subprotocol"),
        refused(5, charge_point=None),
    )
    assert [one.first_ms for one in await listed(acme)] == [5, 4, 3, 2, 1]


async def test_refusals_that_name_no_known_tenant_are_those_of_nobody(acme: Store) -> None:
    failed = refused(1, tenant=None, charge_point=None, reason="tls_failed")
    await keep(acme, failed, refused(2, tenant="amce"))
    assert await listed(acme) == []
    assert [(one.tenant, one.reason) for one in await listed(acme, None)] == [
        ("amce", "wrong_token"),
        (None, "tls_failed"),
    ]
    assert await acme.execute("EXISTS", keys.refusal_records("amce")) == 0


async def test_each_unknown_tenant_has_records_of_its_own(acme: Store) -> None:
    await keep(acme, refused(1, tenant="amce"), refused(2, tenant="acm"), refused(3, tenant=None))
    assert [one.tenant for one in await listed(acme, None)] == [None, "acm", "amce"]
    assert len(await listed(acme, None, reason="wrong_token")) == 3


@pytest.mark.parametrize("tenant", ["acme", None])
async def test_a_list_has_pages_and_filters(acme: Store, tenant: str | None) -> None:
    for number in range(10):
        await keep(
            acme,
            refused(
                number,
                tenant=tenant,
                charge_point=f"CP-{number}",
                address=f"192.0.2.{number % 2}",
                reason=("wrong_token", "no_password", "flapping")[number % 3],
            ),
        )
    page = await refusal_records.list_(acme, tenant, Filter(), limit=4)
    rest = await refusal_records.list_(acme, tenant, Filter(), limit=6, cursor=page.next)
    assert [one.first_ms for one in (*page.items, *rest.items)] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert rest.next is None
    assert [one.first_ms for one in await listed(acme, tenant, charge_point="CP-3")] == [3]
    assert [one.first_ms for one in await listed(acme, tenant, address="192.0.2.1")] == [9, 7, 5, 3, 1]
    assert [one.first_ms for one in await listed(acme, tenant, reason="flapping")] == [8, 5, 2]
    assert [one.first_ms for one in await listed(acme, tenant, since_ms=12)] == [9, 8, 7]
    assert [one.first_ms for one in await listed(acme, tenant, reason="flapping", address="192.0.2.0")] == [
        8,
        2,
    ]
    assert await listed(acme, tenant, charge_point="CP-99") == []
    with pytest.raises(BadCursor):
        await refusal_records.list_(acme, tenant, Filter(), cursor="*")


async def flood(store: Store, address: str, number: int = 10_000, tenant: str | None = "acme") -> None:
    for begin in range(0, number, 1_000):
        some = range(begin, begin + 1_000)
        await keep(
            store, *(refused(1_000 + n, tenant=tenant, charge_point=f"x{n}", address=address) for n in some)
        )


@pytest.mark.parametrize("tenant", ["acme", None])
async def test_the_records_of_a_tenant_are_bounded_and_a_flood_of_one_address_pushes_out_only_its_own(
    acme: Store, tenant: str | None
) -> None:
    mine = [
        refused(n, tenant=tenant, charge_point=f"CP-{n}", address=f"192.0.2.{n % 50}") for n in range(500)
    ]
    await keep(acme, *mine)
    await flood(acme, "198.51.100.1", tenant=tenant)
    found = await listed(acme, tenant)
    assert len(found) <= LISTED + SPARE
    assert Counter(one.address == "198.51.100.1" for one in found)[False] == len(mine)
    assert await acme.execute("HLEN", keys.refusal_records(tenant)) == 3 * len(found)
    assert await acme.execute("PTTL", keys.refusal_records(tenant)) > 0
    assert await acme.execute("PTTL", keys.refusal_order(tenant)) > 0


async def test_a_flood_that_varies_id_and_address_pushes_out_no_registered_charge_point(acme: Store) -> None:
    await keep(acme, *(refused(n, charge_point=f"CP-{n}") for n in range(500)), kind="registered")
    for begin in range(0, 10_000, 1_000):
        some = range(begin, begin + 1_000)
        await keep(acme, *(refused(1_000 + n, charge_point=f"x{n}", address=f"10.{n}") for n in some))
    found = await listed(acme)
    assert sum(str(one.charge_point).startswith("CP-") for one in found) == 500


async def test_a_tenant_pushes_out_no_record_of_another_tenant(acme: Store) -> None:
    await tenants.put(acme, "other", name="", auto_register=False)
    await keep(acme, refused(1, tenant="other"))
    await flood(acme, "192.0.2.7")
    assert len(await listed(acme, "other")) == 1


async def test_the_records_of_a_deleted_tenant_are_deleted(acme: Store) -> None:
    await keep(acme, refused(1))
    await tenants.delete(acme, "acme")
    assert await acme.execute("EXISTS", keys.refusal_records("acme"), keys.refusal_order("acme")) == 0
    await keep(acme, refused(1))
    assert await listed(acme) == []
