import msgspec
import pytest

from state import keys
from state.errors import IdsExhausted
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.store import Store
from state.transactions import (
    Hold,
    Present,
    Replayed,
    Started,
    find_start,
    get,
    list_,
    public_id,
    start,
)
from state.transactions.as_sent import AsSent
from state.transactions.running import Open
from tests.support.transactions import (
    ANSWER,
    a_start,
    claimed,
    events,
    seconds_since_2025,
    start_one,
    stop_one,
)


async def test_the_first_transaction_id_is_the_number_of_seconds_since_2025_and_the_next_id_is_one_higher(
    store: Store,
) -> None:
    lease = await claimed(store)
    first = await start_one(store, lease)
    assert abs(first.id - seconds_since_2025(store)) <= 2
    second = await start_one(store, lease, connector_id=2)
    assert second.id == first.id + 1 == lease.last_transaction_id


async def test_a_start_transaction_request_stores_an_open_transaction_and_emits_an_event(
    store: Store,
) -> None:
    lease = await claimed(store)
    outcome = await start_one(store, lease, reservation_id=7)
    assert outcome == Started(
        id=outcome.id, answer=ANSWER, fence="ok", clock_fault=False, superseded=None, awaited=False
    )
    found = await get(store, "demo", f"CP.1.{outcome.id}")
    assert found is not None
    assert (found.charge_point, found.id, found.connector_id, found.id_tag) == ("CP.1", outcome.id, 1, "Tag")
    assert (found.started_at, found.meter_start, found.reservation_id) == ("2026-01-01T00:00:00Z", 100, 7)
    assert (found.stopped_at, found.meter_stop, found.energy_wh) == (None, None, None)
    (kind, data) = (await events(store, lease))[0]
    assert kind == "transaction.started"
    assert data["transaction_id"] == f"CP.1.{outcome.id}"


async def test_a_session_gets_a_new_transaction_id_even_if_it_knows_only_an_old_one(store: Store) -> None:
    lease, other = await claimed(store), await claimed(store)
    first = await start_one(store, lease)
    assert (await start_one(store, other, connector_id=2)).id == first.id + 1


async def test_transaction_ids_continue_after_the_last_id_that_the_session_knows_if_the_store_was_wiped(
    store: Store,
) -> None:
    lease = await claimed(store)
    lease.last_transaction_id = 1_500_000_000
    await store.execute("FLUSHALL")
    outcome = await start_one(store, lease)
    assert (outcome.id, outcome.fence) == (1_500_000_001, "lost")


async def test_transaction_ids_continue_after_the_stored_last_id_even_if_that_id_is_ahead_of_the_clock(
    store: Store,
) -> None:
    lease = await claimed(store)
    await store.execute("HSET", lease.keys.record, "last_transaction_id", 1_500_000_000)
    lease.last_transaction_id = 1_499_999_999
    assert (await start_one(store, lease)).id == 1_500_000_001


async def test_the_store_corrects_a_transaction_id_that_a_slow_clock_proposed(store: Store) -> None:
    lease = await claimed(store)
    right = seconds_since_2025(store)
    store.clock.offset_ms -= 3_600_000
    assert right <= (await start_one(store, lease)).id <= right + 5


async def test_a_late_stop_of_a_replaced_transaction_does_not_change_the_current_transaction_of_the_connector(
    store: Store,
) -> None:
    lease = await claimed(store)
    first, second = await start_one(store, lease, id_tag="one"), await start_one(store, lease, id_tag="two")
    await stop_one(store, lease, first.id)
    third = await start_one(store, lease, id_tag="three")
    assert third.superseded == Hold("two", a_start(id_tag="two").fingerprint)
    assert second.id < third.id


async def test_the_id_of_a_stored_transaction_is_never_given_to_another_transaction(store: Store) -> None:
    lease = await claimed(store)
    first = await start_one(store, lease)
    await store.execute("DEL", lease.keys.record)
    lease.last_transaction_id = first.id - 1
    assert (await start_one(store, lease, connector_id=2)).id == first.id + 1


async def test_a_new_transaction_beyond_the_last_int32_id_fails_but_a_repeat_still_gets_its_stored_answer(
    store: Store,
) -> None:
    lease = await claimed(store)
    lease.last_transaction_id = 2**31 - 2
    last = await start_one(store, lease)
    assert last.id == 2**31 - 1
    with pytest.raises(IdsExhausted):
        await start(store, lease, a_start(connector_id=2), ANSWER)
    replayed = await start(store, lease, a_start(), b"other")
    assert replayed == Replayed(id=last.id, answer=ANSWER, fence="ok")
    with pytest.raises(IdsExhausted):  # A session without a last transaction id learns this from the store.
        await start(store, await claimed(store), a_start(connector_id=2), ANSWER)


async def test_a_repeated_start_transaction_request_gets_the_stored_answer(store: Store) -> None:
    lease = await claimed(store)
    assert await find_start(store, lease, a_start()) == Present(None, {})
    first = await start_one(store, lease)
    expected = Replayed(id=first.id, answer=ANSWER, fence="ok")
    assert await find_start(store, lease, a_start(id_tag="tAG")) == expected
    assert await start(store, lease, a_start(id_tag="TAG"), b"other") == expected
    await stop_one(store, lease, first.id)
    assert await find_start(store, lease, a_start()) == expected
    assert await start(store, lease, a_start(), b"other") == expected
    assert len(await events(store, lease)) == 2


async def test_the_fingerprint_of_a_transaction_covers_connector_and_tag_and_time_and_meter() -> None:
    base = a_start()
    changes: list[dict[str, object]] = [
        {"connector_id": 2},
        {"id_tag": "tag2"},
        {"timestamp": "2026-01-01T00:00:01Z"},
        {"meter_start": 101},
    ]
    assert len({base.fingerprint, *(a_start(**change).fingerprint for change in changes)}) == 5
    assert a_start(received_ms=5, plausible=False, reservation_id=3).fingerprint == base.fingerprint


async def test_three_transactions_started_by_a_charge_point_whose_clock_stands_still_are_all_stored(
    store: Store,
) -> None:
    lease, stuck = await claimed(store), a_start(timestamp="1970-01-01T00:00:00Z", plausible=False)
    ids, faults = [], []
    for _ in range(3):
        outcome = await start(store, lease, stuck, ANSWER)
        assert isinstance(outcome, Started)
        assert await find_start(store, lease, stuck) == Replayed(id=outcome.id, answer=ANSWER, fence="ok")
        ids.append(outcome.id)
        faults.append(outcome.clock_fault)
        await stop_one(store, lease, outcome.id)
        assert await find_start(store, lease, stuck) == Present(None, {})
    assert len(set(ids)) == 3
    assert faults == [False, True, True]


async def test_a_previous_transaction_on_a_connector_stays_open_but_loses_its_slot_when_a_new_one_starts(
    store: Store,
) -> None:
    lease = await claimed(store)
    first = await start_one(store, lease, id_tag="one tag")
    second = await start_one(store, lease, id_tag="another")
    assert second.superseded == Hold("one tag", a_start(id_tag="one tag").fingerprint)
    for transaction_id in (first.id, second.id):
        found = await get(store, "demo", f"CP.1.{transaction_id}")
        assert found is not None
        assert found.stopped_at is None
    assert (await start_one(store, lease, connector_id=2)).superseded is None
    await stop_one(store, lease, second.id)
    assert (await start_one(store, lease, id_tag="a third")).superseded is None


@pytest.mark.parametrize(("epoch", "fence"), [(1, "newer"), (9, "lost")])
async def test_a_replaced_session_can_store_a_start_or_stop_but_not_the_open_transaction_of_a_connector(
    store: Store, epoch: int, fence: str
) -> None:
    lease = await claimed(store, epoch=2)
    stale = Lease(ChargePointKeys("demo", "CP.1"), "old/1", epoch)
    theirs = await start_one(store, stale, id_tag="theirs")
    assert theirs.fence == fence
    assert await store.execute("HGETALL", lease.keys.open) == {}
    open_ones = await store.execute("ZRANGE", lease.keys.open_transactions, 0, -1)
    assert [name.rpartition(b"/")[2] for name in open_ones] == [str(theirs.id).encode()]
    ours = await start_one(store, lease)
    assert ours.superseded is None
    outcome = await stop_one(store, stale, ours.id)
    assert outcome.fence == fence
    assert await store.execute("HGETALL", lease.keys.open) == {}


async def test_a_charge_point_id_that_contains_separators_does_not_address_another_charge_point(
    store: Store,
) -> None:
    lease = Lease(ChargePointKeys("a/b", "c{}:d/1"), "node/1", 1)
    outcome = await start_one(store, lease)
    assert await get(store, "a/b", f"c{{}}:d/1.{outcome.id}") is not None
    assert await get(store, "a", f"b/c{{}}:d/1.{outcome.id}") is None
    assert await store.execute("ZCARD", keys.transactions(lease.keys.partition, "a/b")) == 1


async def test_two_starts_with_unreadable_fields_are_two_and_the_same_one_is_a_repeat(store: Store) -> None:
    lease = await claimed(store)
    unread = a_start(
        meter_start=None,
        connector_id=None,
        id_tag="",
        timestamp="",
        as_sent=AsSent(b'{"meterStart":""}', "a"),
    )
    one = await start(store, lease, unread, ANSWER)
    again = await start(store, lease, unread, ANSWER)
    other = await start(store, lease, msgspec.structs.replace(unread, as_sent=AsSent(b"{}", "b")), ANSWER)
    assert one.id == again.id != other.id
    assert isinstance(again, Replayed)
    found = await get(store, "demo", public_id("CP.1", one.id))
    assert found is not None
    assert (found.connector_id, found.meter_start, found.as_sent) == (None, None, '{"meterStart":""}')
    assert await store.execute("HLEN", lease.keys.open) == 0


async def test_a_start_on_an_unknown_connector_supersedes_nothing_and_uses_no_reservation(
    store: Store,
) -> None:
    lease = await claimed(store)
    first = await start(store, lease, a_start(), ANSWER)
    outcome = await start(
        store, lease, a_start(connector_id=None, reservation_id=7, as_sent=AsSent(None, "x")), ANSWER
    )
    assert isinstance(outcome, Started)
    assert outcome.superseded is None
    assert await store.execute("HLEN", lease.keys.reservations) == 0
    [pointer] = await store.execute("HVALS", lease.keys.open)
    assert pointer.startswith(str(first.id).encode())


@pytest.mark.parametrize("known", [True, False])
async def test_a_superseded_transaction_names_the_one_that_began_on_its_connector(
    store: Store, *, known: bool
) -> None:
    """A start that does not know which transaction runs, or knows a wrong one, learns it from the step."""
    lease = await claimed(store)
    first = (await start_one(store, lease)).id
    later = a_start(timestamp="2026-01-01T05:00:00Z")
    present = await find_start(store, lease, later)
    assert isinstance(present, Present)
    running = present.running if known else Open(first - 1, Hold("Other", "x"))
    second = await start(store, lease, later, ANSWER, running=running)
    assert isinstance(second, Started)
    old, new = [await get(store, "demo", f"CP.1.{id_}") for id_ in (first, second.id)]
    assert old is not None
    assert new is not None
    assert (old.state, old.superseded_by, new.superseded_by) == ("open", second.id, None)
    assert old.superseded_ms == pytest.approx(store.server_time_ms(), abs=10_000)
    assert (await events(store, lease))[-1] == (
        "transaction.superseded",
        {"transaction_id": f"CP.1.{first}", "superseded_by": f"CP.1.{second.id}", "connector_id": 1},
    )


async def test_a_start_on_another_connector_or_after_the_stop_supersedes_nothing(store: Store) -> None:
    lease = await claimed(store)
    first = (await start_one(store, lease)).id
    await start_one(store, lease, connector_id=2)
    await stop_one(store, lease, first)
    await start_one(store, lease, timestamp="2026-01-01T05:00:00Z")
    page = await list_(store, "demo")
    assert [one.superseded_by for one in page.items] == [None] * 3
    assert not [kind for kind, _ in await events(store, lease) if kind == "transaction.superseded"]
