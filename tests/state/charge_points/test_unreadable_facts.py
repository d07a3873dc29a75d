"""Facts that could not be read are kept once with a count, and the latest 100 of them stay."""

import pytest

from state import charge_points
from state.charge_points import unreadable_facts
from state.charge_points.unreadable_facts import UnreadableFact
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.store import Store
from tests.support.leases import claimed

TEXT = '[2,"1","StopTransaction",{"transactionId":'


@pytest.fixture
async def lease(store: Store) -> Lease:
    return (await claimed(store, "a/1", ChargePointKeys("demo", "CP.1"))).lease


async def keep(store: Store, lease: Lease, text: str, at_ms: int) -> None:
    await unreadable_facts.keep(store, lease.keys, text, len(text), at_ms)


async def read(store: Store) -> list[UnreadableFact]:
    return (await unreadable_facts.read(store, "demo", "CP.1")).items


async def test_the_same_unreadable_fact_is_kept_once_with_a_count(store: Store, lease: Lease) -> None:
    for at_ms in (1, 5, 9):
        await keep(store, lease, TEXT, at_ms)
    await keep(store, lease, TEXT + "\n\0é", 7)
    one, other = await read(store)
    assert (one.text, one.length, one.times, one.first_ms, one.last_ms) == (TEXT, len(TEXT), 3, 1, 9)
    assert (other.text, other.times, other.last_ms) == (TEXT + "\n\0é", 1, 7)


async def test_a_long_unreadable_fact_is_cut_and_its_length_is_kept(store: Store, lease: Lease) -> None:
    await keep(store, lease, TEXT + "x" * 20_000, 1)
    [kept] = await read(store)
    assert (len(kept.text), kept.length) == (16_384, len(TEXT) + 20_000)


async def test_the_unreadable_facts_that_came_longest_ago_are_removed_beyond_100_and_counted(
    store: Store, lease: Lease
) -> None:
    for n in range(100):
        await keep(store, lease, f"{TEXT}{n}", n)
    await keep(store, lease, f"{TEXT}0", 1_000)
    for n in range(100, 103):
        await keep(store, lease, f"{TEXT}{n}", 1_000 + n)
    found = await unreadable_facts.read(store, "demo", "CP.1")
    assert found.evicted == 3
    assert [one.text.removeprefix(TEXT) for one in found.items[:4]] == ["102", "101", "100", "0"]
    assert {one.text.removeprefix(TEXT) for one in found.items} == {"0", *map(str, range(4, 103))}


async def test_an_unreadable_fact_is_forgotten_once_and_makes_room(store: Store, lease: Lease) -> None:
    for n in range(100):
        await keep(store, lease, f"{TEXT}{n}", n)
    gone = (await read(store))[50].id
    assert await unreadable_facts.forget(store, "demo", "CP.1", gone)
    assert not await unreadable_facts.forget(store, "demo", "CP.1", gone)
    await keep(store, lease, f"{TEXT}100", 100)
    found = await unreadable_facts.read(store, "demo", "CP.1")
    assert (len(found.items), found.evicted) == (100, 0)
    await keep(store, lease, f"{TEXT}101", 101)
    assert not await unreadable_facts.forget(store, "demo", "CP.1", "evicted")
    assert (await unreadable_facts.read(store, "demo", "CP.1")).evicted == 1


async def test_a_deleted_charge_point_keeps_no_unreadable_facts(store: Store, lease: Lease) -> None:
    await keep(store, lease, TEXT, 1)
    await charge_points.delete(store, "demo", "CP.1")
    await keep(store, lease, TEXT, 2)
    assert await read(store) == []
    for key in (lease.keys.unreadable_facts, lease.keys.unreadable_fact_order):
        assert await store.execute("EXISTS", key) == 0
