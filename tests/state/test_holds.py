import pytest

from state import holds, keys, transactions
from state.errors import IdsExhausted
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.store import Store
from state.tenants.id_tags import fold
from tests.support.full_store import full
from tests.support.transactions import ANSWER, a_start, a_stop, claimed, events

TAG = "Tag"
CP = ChargePointKeys("demo", "CP.1")


async def hold(
    store: Store, member: str, *, maximum: int = 2, after_ms: int = 60_000, tag: str = TAG
) -> bool:
    until_ms = store.server_time_ms() + after_ms
    return await holds.take(store, keys.holds("demo", fold(tag)), f"CP.1/{member}", maximum, until_ms)


async def stop(store: Store, lease: Lease, transaction_id: int) -> None:
    """Stop a transaction, and release its hold."""
    outcome = await transactions.stop(store, lease, a_stop(transaction_id), b"")
    assert isinstance(outcome, transactions.Stopped)
    assert outcome.hold is not None
    await transactions.release_hold(store, lease.keys, outcome.hold)


async def test_an_id_tag_cannot_take_more_transaction_slots_than_its_maximum_allows(store: Store) -> None:
    assert await hold(store, "a")
    assert await hold(store, "b", tag="tAG")
    assert not await hold(store, "c")
    assert await holds.release(store, CP, "TAG", "a")
    assert not await holds.release(store, CP, "TAG", "a")
    assert await hold(store, "c")


async def test_a_transaction_that_takes_a_slot_of_its_id_tag_twice_has_only_one_slot(store: Store) -> None:
    assert await hold(store, "a", maximum=1)
    assert await hold(store, "a", maximum=1)
    assert await store.execute("ZCARD", keys.holds("demo", "tag")) == 1


async def test_an_id_tag_whose_maximum_is_zero_has_no_transaction_slot(store: Store) -> None:
    assert not await hold(store, "a", maximum=0)


async def test_a_transaction_slot_of_an_id_tag_is_free_again_when_it_expires(store: Store) -> None:
    assert await hold(store, "long", maximum=2)
    key = keys.holds("demo", "tag")
    await store.execute("ZADD", key, store.server_time_ms() - 1_000, "expired")
    assert await hold(store, "new", maximum=2)
    assert await store.execute("ZRANGE", key, 0, -1) == [b"CP.1/long", b"CP.1/new"]


async def test_the_redis_key_with_the_transaction_slots_of_an_id_tag_expires_together_with_the_last_slot(
    store: Store,
) -> None:
    key = keys.holds("demo", "tag")
    assert await hold(store, "long", after_ms=100_000)
    assert await hold(store, "short", after_ms=1_000)
    assert await store.execute("PTTL", key) > 90_000
    # If a slot is taken again, its end is never moved to an earlier time.
    assert await hold(store, "long", after_ms=1_000)
    assert await store.execute("ZSCORE", key, "CP.1/long") > store.server_time_ms() + 90_000


async def test_a_transaction_slot_of_an_id_tag_can_be_prolonged_but_not_after_its_release(
    store: Store,
) -> None:
    key = keys.holds("demo", "tag")
    assert await hold(store, "a", maximum=1, after_ms=1_000)
    until_ms = store.server_time_ms() + holds.LASTS_MS
    assert await holds.prolong(store, [(CP, TAG, "a"), (CP, TAG, "released")]) == 1
    assert await store.execute("ZSCORE", key, "CP.1/a") >= until_ms - 1_000
    assert await store.execute("ZSCORE", key, "CP.1/released") is None
    assert await store.execute("PTTL", key) > holds.LASTS_MS - 100_000


async def test_prolonging_a_transaction_slot_of_an_id_tag_never_shortens_it(store: Store) -> None:
    key = keys.holds("demo", "tag")
    assert await hold(store, "a", after_ms=2 * holds.LASTS_MS)
    until_ms = await store.execute("ZSCORE", key, "CP.1/a")
    assert await holds.prolong(store, [(CP, TAG, "a")]) == 1
    assert await store.execute("ZSCORE", key, "CP.1/a") == until_ms


async def test_the_same_id_tag_has_separate_transaction_slots_in_each_tenant(store: Store) -> None:
    assert await holds.hold(store, ChargePointKeys("one", "CP.1"), TAG, "a", 1)
    assert await holds.hold(store, ChargePointKeys("two", "CP.1"), TAG, "a", 1)


async def test_two_charge_points_take_separate_transaction_slots_of_the_same_id_tag(store: Store) -> None:
    assert await holds.hold(store, ChargePointKeys("demo", "a/b"), TAG, "c", 2)
    assert await holds.hold(store, ChargePointKeys("demo", "a"), TAG, "b/c", 2)
    found = await store.execute("ZRANGE", keys.holds("demo", "tag"), 0, -1)
    assert sorted(found) == [b"a%2Fb/c", b"a/b/c"]


async def test_the_transaction_slots_of_id_tags_are_prolonged_only_for_open_transactions(
    store: Store,
) -> None:
    lease, other = await claimed(store), await claimed(store, "CP.2")
    first, second = a_start(connector_id=1), a_start(connector_id=2, id_tag="With space")
    limit = transactions.Limit(1, b"{}")
    started = await transactions.start(store, lease, first, ANSWER, limit=limit)
    await transactions.start(store, lease, second, ANSWER, limit=limit)
    await stop(store, lease, started.id)
    soon = store.server_time_ms() + 1_000
    slots = keys.holds("demo", fold("With space"))
    member = f"{keys.encode(lease.keys.id)}/{second.fingerprint}"
    assert await store.execute("ZADD", slots, "XX", "CH", soon, member) == 1
    await transactions.prolong_holds(store, [lease, other])
    assert await store.execute("ZSCORE", slots, member) > soon + 10_000
    assert await store.execute("ZCARD", keys.holds("demo", fold(first.id_tag))) == 0


async def test_an_id_tag_at_its_limit_is_answered_concurrent_tx_until_a_transaction_ends_and_frees_a_slot(
    store: Store,
) -> None:
    limit = transactions.Limit(1, b'{"status":"ConcurrentTx"}')
    one, two = await claimed(store, "CP.1"), await claimed(store, "CP.2")
    first = await transactions.start(store, one, a_start(), ANSWER, limit=limit)
    second = await transactions.start(store, two, a_start(), ANSWER, limit=limit)
    assert (first.answer, second.answer) == (ANSWER, limit.answer)
    await stop(store, one, first.id)
    third = await transactions.start(store, two, a_start(meter_start=7), ANSWER, limit=limit)
    assert third.answer == ANSWER


async def test_a_start_transaction_request_that_fails_releases_its_slot_of_the_id_tag(store: Store) -> None:
    limit = transactions.Limit(1, b"{}")
    lease = await claimed(store)
    lease.last_transaction_id = 2**31
    with pytest.raises(IdsExhausted):
        await transactions.start(store, lease, a_start(), ANSWER, limit=limit)
    assert await store.execute("ZCARD", keys.holds("demo", "tag")) == 0


async def test_a_new_transaction_on_a_connector_names_the_id_tag_slot_of_the_previous_transaction(
    store: Store,
) -> None:
    limit = transactions.Limit(1, b"{}")
    lease = await claimed(store)
    await transactions.start(store, lease, a_start(), ANSWER, limit=limit)
    later = a_start(id_tag="other", meter_start=7)
    outcome = await transactions.start(store, lease, later, ANSWER, limit=limit)
    assert outcome.superseded is not None
    await transactions.release_hold(store, lease.keys, outcome.superseded)
    assert await store.execute("ZCARD", keys.holds("demo", "tag")) == 0
    assert await store.execute("ZCARD", keys.holds("demo", "other")) == 1


async def test_the_slots_of_an_id_tag_are_listed_with_their_transactions_until_they_expire(
    store: Store,
) -> None:
    lease = await claimed(store)
    fact = a_start()
    started = await transactions.start(store, lease, fact, ANSWER, limit=transactions.Limit(5, b""))
    await hold(store, "unknown", maximum=5)
    await hold(store, "expired", maximum=5, after_ms=-1)
    first, second = await holds.list_(store, "demo", "TAG")
    assert (first.charge_point, first.fingerprint, first.transaction) == ("CP.1", "unknown", None)
    assert (second.fingerprint, second.transaction) == (fact.fingerprint, started.id)
    assert first.until_ms < second.until_ms


async def test_an_operator_releases_a_slot_with_an_event_even_on_a_full_store(store: Store) -> None:
    lease = await claimed(store)
    started = await transactions.start(store, lease, a_start(), ANSWER, limit=transactions.Limit(1, b""))
    [place] = await holds.list_(store, "demo", TAG)
    async with full(store):
        assert await holds.release_for_operator(store, "demo", TAG, place, "key-1")
    assert await holds.list_(store, "demo", TAG) == []
    assert (await events(store, lease))[-1] == (
        "hold.released",
        {"id_tag": TAG, "transaction_id": f"CP.1.{started.id}", "api_key": "key-1"},
    )
    assert not await holds.release_for_operator(store, "demo", TAG, place, "key-1")
