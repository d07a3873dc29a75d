import msgspec
import pytest

from state.store import Store
from state.transactions import (
    Limit,
    Orphaned,
    Started,
    Stopped,
    StopReplayed,
    get,
    orphans,
    start,
    stop,
)
from state.transactions.as_sent import AsSent
from state.transactions.running import Hold
from tests.support.transactions import (
    ANSWER,
    a_start,
    a_stop,
    claimed,
    events,
    seconds_since_2025,
    start_one,
    stop_one,
)


async def test_a_repeated_stop_does_not_release_the_slot_of_a_later_transaction_with_the_same_fingerprint(
    store: Store,
) -> None:
    lease, stuck = await claimed(store), a_start(plausible=False)
    first = await start(store, lease, stuck, ANSWER)
    assert isinstance(first, Started)
    assert (await stop_one(store, lease, first.id)).fingerprint == stuck.fingerprint
    assert isinstance(await start(store, lease, stuck, ANSWER), Started)
    again = await stop(store, lease, a_stop(first.id), b"other")
    assert isinstance(again, StopReplayed)
    assert again.fingerprint == ""


async def test_a_stop_names_the_hold_of_its_transaction_unless_the_start_took_none(store: Store) -> None:
    lease = await claimed(store)
    limited = await start(store, lease, a_start(), ANSWER, limit=Limit(1, b"refused"))
    expected = Hold("Tag", a_start().fingerprint)
    assert (await stop_one(store, lease, limited.id)).hold == expected
    again = await stop(store, lease, a_stop(limited.id), b"other")
    assert isinstance(again, StopReplayed)
    assert again.hold == expected
    unlimited = await start_one(store, lease, meter_start=101)
    assert (await stop_one(store, lease, unlimited.id)).hold is None
    # An older release stored this transaction, which may have a hold.
    older = await start_one(store, lease, meter_start=102)
    await store.execute("HDEL", lease.keys.transaction(older.id), "no_hold")
    assert (await stop_one(store, lease, older.id)).hold == Hold("Tag", a_start(meter_start=102).fingerprint)


async def test_a_second_stop_transaction_request_for_a_transaction_changes_nothing(store: Store) -> None:
    lease = await claimed(store)
    first = await start_one(store, lease)
    expected = Stopped(
        answer=ANSWER,
        fence="ok",
        id_tag="Tag",
        fingerprint=a_start().fingerprint,
        connector_id=1,
        meter_start=100,
        started_ms=a_start().started_ms,
        held=False,
    )
    sent = {"meter_stop": 350, "reason": "Local", "id_tag": "Tag"}
    assert await stop_one(store, lease, first.id, **sent) == expected
    before = await get(store, "demo", f"CP.1.{first.id}")
    assert before is not None
    assert (before.energy_wh, before.reason, before.stop_id_tag) == (250, "Local", "Tag")
    again = await stop(store, lease, a_stop(first.id, **sent), b"other")
    assert again == StopReplayed(**msgspec.structs.asdict(expected))
    assert await get(store, "demo", f"CP.1.{first.id}") == before
    assert [kind for kind, _ in await events(store, lease)] == ["transaction.started", "transaction.stopped"]


async def test_an_energy_below_zero_is_reported_unchanged(store: Store) -> None:
    lease = await claimed(store)
    first = await start_one(store, lease, meter_start=100)
    await stop_one(store, lease, first.id, meter_stop=-1)
    found = await get(store, "demo", f"CP.1.{first.id}")
    assert found is not None
    assert found.energy_wh == -101


@pytest.mark.parametrize("wire_id", ["-1", "0", "9223372036854775807", "007", "nonsense{}/:", ""])
async def test_a_stop_of_an_unknown_transaction_is_stored_apart_and_does_not_change_the_next_transaction_id(
    store: Store, wire_id: str
) -> None:
    lease = await claimed(store)
    assert await stop(store, lease, a_stop(wire_id), ANSWER) == Orphaned(
        answer=ANSWER, fence="ok", replayed=False
    )
    assert await store.execute("HGET", lease.keys.record, "last_transaction_id") is None
    again = await stop(store, lease, a_stop(wire_id), b"other")
    assert again == Orphaned(answer=ANSWER, fence="ok", replayed=True)
    [(kind, data)] = await events(store, lease)
    assert (kind, data["transaction_id"]) == ("transaction.orphan_stop", f"CP.1.{wire_id}")
    assert abs((await start_one(store, lease)).id - seconds_since_2025(store)) <= 2


async def test_a_stop_belongs_to_a_transaction_only_if_the_text_of_its_transaction_id_is_exactly_the_same(
    store: Store,
) -> None:
    lease = await claimed(store)
    first = await start_one(store, lease)
    for alike in (f"0{first.id}", f"{first.id}.0", f" {first.id}"):
        assert isinstance(await stop(store, lease, a_stop(alike), ANSWER), Orphaned)


async def test_two_different_stop_transaction_requests_with_the_same_unknown_transaction_id_are_both_kept(
    store: Store,
) -> None:
    lease = await claimed(store)
    for meter in (1, 2, 1):
        await stop(store, lease, a_stop(-1, meter_stop=meter, received_ms=meter), ANSWER)
    kept = await orphans.read(store, "demo", "CP.1")
    assert [orphan.meter_stop for orphan in kept.items] == [1, 2]
    assert kept.evicted == 0


async def test_the_stored_records_of_acknowledged_transactions_never_expire(store: Store) -> None:
    lease = await claimed(store)
    outcome = await start_one(store, lease)
    await stop_one(store, lease, outcome.id, data=b"[]")
    await stop(store, lease, a_stop(-1, data=b"[]"), ANSWER)
    stored = [key for key in await store.execute("KEYS", "{*") if b":events:" not in key]
    assert len(stored) > 5
    for key in stored:
        assert await store.execute("PTTL", key) == -1


async def test_of_three_stops_without_meter_and_clock_of_which_one_is_resent_two_are_kept(
    store: Store,
) -> None:
    lease = await claimed(store)
    for mark, is_repeat in (("a", False), ("b", False), ("a", True)):
        sent = a_stop(-1, meter_stop=None, timestamp="", as_sent=AsSent(b'{"meterStop":null}', mark))
        outcome = await stop(store, lease, sent, ANSWER)
        assert outcome == Orphaned(answer=ANSWER, fence="ok", replayed=is_repeat)
    assert len((await orphans.read(store, "demo", "CP.1")).items) == 2
