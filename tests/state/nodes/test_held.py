"""The sets of held leases name exactly the charge points whose leases a node holds."""

from state import keys
from state.keys import ChargePointKeys
from state.nodes import held, leases
from state.store import Store
from tests.support.leases import KEYS, claimed

OTHER = ChargePointKeys("acme", "CP-2")


async def test_the_sets_of_a_node_follow_claims_takeovers_and_releases(store: Store) -> None:
    partitions = (KEYS.partition, OTHER.partition)
    assert await held.list_members(store, "a", partitions) == [set(), set()]
    await claimed(store, "a/1")
    await claimed(store, "a/2", OTHER)
    assert await held.list_members(store, "a", partitions) == [{KEYS.member}, {OTHER.member}]
    await claimed(store, "b/1")
    await leases.release_if_holder(store, OTHER, "a/2", "1000")
    assert await held.list_members(store, "a", partitions) == [set(), set()]
    assert sum(map(len, await held.list_members(store, "b"))) == 1
    assert await held.read_holders(store, [KEYS, OTHER, ChargePointKeys("acme", "none")]) == ["b/1", "", ""]
    assert await held.read_holders(store, []) == []


async def test_only_the_given_leases_of_a_dead_node_are_reaped(store: Store) -> None:
    await claimed(store, "a/1")
    await claimed(store, "a/2", OTHER)
    assert await held.reap(store, "a", [OTHER.member]) == 1
    assert await held.reap(store, "a", [OTHER.member]) == 0
    assert await held.read_holders(store, [KEYS, OTHER]) == ["a/1", ""]


async def test_the_time_at_which_a_charge_point_was_last_seen_is_stored_only_by_the_node_that_holds_its_lease(
    store: Store,
) -> None:
    await claimed(store, "a/1")
    assert KEYS.seen == keys.seen(KEYS.partition)
    await held.store_seen(store, "b", {KEYS.partition: {KEYS.member: 7}})
    assert await store.execute("EXISTS", KEYS.seen) == 0
    many = {KEYS.member: 8} | {f"acme/none-{number}": 9 for number in range(2 * held.AT_ONCE)}
    await held.store_seen(store, "a", {KEYS.partition: many})
    assert await store.execute("HGETALL", KEYS.seen) == {KEYS.member.encode(): b"8"}
    await held.store_seen(store, "a", {KEYS.partition: {}})
