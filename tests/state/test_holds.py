from state import holds, keys, transactions
from state.store import Store
from state.transactions import facts
from tests.state.charging import ANSWER, a_start, a_stop, claimed

TAG = "Tag"


async def hold(
    store: Store, member: str, *, maximum: int = 2, after_ms: int = 60_000, tag: str = TAG
) -> bool:
    return await holds.hold(store, "demo", tag, member, maximum, store.server_time_ms() + after_ms)


async def test_a_tag_has_as_many_slots_as_its_maximum(store: Store) -> None:
    assert await hold(store, "a")
    assert await hold(store, "b", tag="tAG")
    assert not await hold(store, "c")
    assert await holds.release(store, "demo", "TAG", "a")
    assert not await holds.release(store, "demo", "TAG", "a")
    assert await hold(store, "c")


async def test_the_same_member_has_one_hold_even_when_all_are_taken(store: Store) -> None:
    assert await hold(store, "a", maximum=1)
    assert await hold(store, "a", maximum=1)
    assert await store.execute("ZCARD", keys.holds("demo", "tag")) == 1


async def test_a_maximum_of_none_at_all_holds_nothing(store: Store) -> None:
    assert not await hold(store, "a", maximum=0)


async def test_an_expired_hold_gives_way(store: Store) -> None:
    assert await hold(store, "long", maximum=2)
    key = keys.holds("demo", "tag")
    await store.execute("ZADD", key, store.server_time_ms() - 1, "expired")
    assert await hold(store, "new", maximum=2)
    assert await store.execute("ZRANGE", key, 0, -1) == [b"long", b"new"]


async def test_the_key_lives_as_long_as_its_longest_hold(store: Store) -> None:
    key = keys.holds("demo", "tag")
    assert await hold(store, "long", after_ms=100_000)
    assert await hold(store, "short", after_ms=1_000)
    assert await store.execute("PTTL", key) > 90_000
    # Asking again never shortens.
    assert await hold(store, "long", after_ms=1_000)
    assert await store.execute("ZSCORE", key, "long") > store.server_time_ms() + 90_000


async def test_a_hold_can_be_prolonged_but_not_brought_back(store: Store) -> None:
    key = keys.holds("demo", "tag")
    assert await hold(store, "a", maximum=1, after_ms=1_000)
    until_ms = store.server_time_ms() + 200_000
    assert await holds.prolong(store, "demo", [(TAG, "a"), (TAG, "released")], until_ms) == 1
    assert await store.execute("ZSCORE", key, "a") == until_ms
    assert await store.execute("ZSCORE", key, "released") is None
    assert await store.execute("PTTL", key) > 190_000
    assert await holds.prolong(store, "demo", [(TAG, "a")], until_ms - 100_000) == 1
    assert await store.execute("ZSCORE", key, "a") == until_ms


async def test_tenants_do_not_share_a_tags_slots(store: Store) -> None:
    until_ms = store.server_time_ms() + 60_000
    assert await holds.hold(store, "one", TAG, "a", 1, until_ms)
    assert await holds.hold(store, "two", TAG, "a", 1, until_ms)


def test_a_member_tells_charge_points_apart() -> None:
    assert holds.member("a/b", "c") == "a%2Fb/c"


async def test_the_holds_of_open_transactions_are_found_and_a_stops_is_not(store: Store) -> None:
    lease, other = await claimed(store), await claimed(store, "CP.2")
    first, second = a_start(connector_id=1), a_start(connector_id=2, id_tag="With space")
    started = await transactions.start(store, lease, first, ANSWER)
    await transactions.start(store, lease, second, ANSWER)
    found = await facts.open_holds(store, [lease, other])
    assert sorted(found[0]) == sorted(
        (each.id_tag, transactions.fingerprint(each)) for each in (first, second)
    )
    assert found[1] == []
    await transactions.stop(store, lease, a_stop(started.id), ANSWER)
    assert await facts.open_holds(store, [lease]) == [[("With space", transactions.fingerprint(second))]]
