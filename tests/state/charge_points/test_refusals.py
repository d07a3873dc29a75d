"""Refused handshakes are stored by reason, and nobody can fill the store with them."""

import pytest

from state import charge_points, keys
from state.charge_points import Settings, refusals
from state.charge_points.refusals import LISTED, Refusals, Refused
from state.keys import ChargePointKeys
from state.store import Store

KEYS = ChargePointKeys("acme", "CP-1")


@pytest.fixture
async def registered(store: Store) -> Store:
    await charge_points.put(store, KEYS.tenant, KEYS.id, Settings())
    return store


def refused(
    reason: str, times: int, last_ms: int, *, known: bool = True, address: str = "192.0.2.7"
) -> Refusals:
    return Refusals(KEYS if known else None, reason, times, last_ms, address, f"detail {last_ms}")


async def test_each_reason_has_the_number_of_its_refusals_and_the_last_one(registered: Store) -> None:
    await refusals.record(registered, [refused("wrong_password", 3, 10), refused("no_password", 1, 30)])
    await refusals.record(registered, [refused("wrong_password", 2, 20, address="2001:db8::1")])
    assert await refusals.read(registered, "acme", "CP-1") == [
        Refused(reason="no_password", times=1, last_ms=30, address="192.0.2.7", detail="detail 30"),
        Refused(reason="wrong_password", times=5, last_ms=20, address="2001:db8::1", detail="detail 20"),
    ]
    assert await refusals.list_unknown(registered) == []


async def test_the_refusals_of_a_charge_point_can_be_forgotten(registered: Store) -> None:
    await refusals.record(registered, [refused("wrong_password", 3, 10)])
    await refusals.forget(registered, "acme", "CP-1")
    assert await refusals.read(registered, "acme", "CP-1") == []


async def test_nothing_is_stored_under_a_charge_point_that_is_not_registered(store: Store) -> None:
    await refusals.record(store, [refused("too_many_failures", 3, 10)])
    assert await store.execute("EXISTS", KEYS.refusals) == 0
    assert [(one.reason, one.times) for one in await refusals.list_unknown(store)] == [
        ("too_many_failures", 3)
    ]


async def test_a_deleted_charge_point_leaves_no_refusals(registered: Store) -> None:
    await refusals.record(registered, [refused("wrong_password", 3, 10)])
    await charge_points.delete(registered, "acme", "CP-1")
    await refusals.record(registered, [refused("wrong_password", 3, 10)])
    assert await registered.execute("EXISTS", KEYS.refusals) == 0


async def test_refusals_of_strangers_are_listed_latest_first(store: Store) -> None:
    await refusals.record(store, [refused("unknown_tenant", 3, at, known=False) for at in (10, 20)])
    assert [one.last_ms for one in await refusals.list_unknown(store)] == [20, 10]
    assert [one.last_ms for one in await refusals.list_unknown(store, 1)] == [20]


async def test_the_list_of_strangers_is_bounded(store: Store) -> None:
    for first in range(0, 3 * LISTED, 500):
        await refusals.record(
            store, [refused("unknown_tenant", 1, first + n, known=False, address=f"{n}") for n in range(500)]
        )
    length = await store.execute("XLEN", keys.REFUSALS)
    assert length <= LISTED + 200
    assert (await refusals.list_unknown(store, 1))[0].last_ms == 3 * LISTED - 1
