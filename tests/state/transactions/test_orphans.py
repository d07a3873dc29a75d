import msgspec

from state.store import Store
from state.transactions import Orphaned, get, meter_values, orphans, public_id, start, stop
from state.transactions.as_sent import AsSent
from state.transactions.orphans import Orphan
from tests.support.transactions import ANSWER, a_start, a_stop, claimed


async def test_a_stop_of_an_unknown_transaction_is_stored_with_all_its_fields(store: Store) -> None:
    lease = await claimed(store)
    sent = a_stop(-1, reason="PowerLoss", id_tag="Tag", data=b'[{"n":1}]', received_ms=5)
    await stop(store, lease, sent, ANSWER)
    [kept] = (await orphans.read(store, "demo", "CP.1")).items
    facts = {
        name: one for name, one in msgspec.structs.asdict(sent).items() if name not in {"data", "as_sent"}
    }
    assert kept == Orphan(**facts, answer=ANSWER)
    [stray] = (await meter_values.read_strays(store, "demo", "CP.1", 0)).messages
    assert (stray.transaction_id, stray.connector_id, stray.payload) == ("-1", None, b'[{"n":1}]')


async def test_stops_of_unknown_transactions_that_differ_in_one_field_are_stored_separately(
    store: Store,
) -> None:
    lease = await claimed(store)
    for changes in (
        {},
        {"meter_stop": 1},
        {"meter_stop": None},
        {"timestamp": "2026-01-01T00:00:09Z"},
        {"id_tag": "x"},
        {"reason": "Local"},
        {"as_sent": AsSent(b'{"meterStop":""}', "a")},
        {"as_sent": AsSent(b'{"meterStop":""}', "b")},
    ):
        outcome = await stop(store, lease, a_stop(-1, **changes), ANSWER)
        assert outcome == Orphaned(answer=ANSWER, fence="ok", replayed=False)
    await stop(store, lease, a_stop(0), ANSWER)
    assert len((await orphans.read(store, "demo", "CP.1")).items) == 9


async def test_the_oldest_orphaned_stops_beyond_10000_are_removed_and_counted(store: Store) -> None:
    lease = await claimed(store)
    for n in range(3):
        await stop(store, lease, a_stop(-1, meter_stop=n, received_ms=1_000 + n), ANSWER)
    filler = [part for n in range(9_997) for part in (2_000 + n, f"x{n}")]
    await store.execute("ZADD", lease.keys.orphan_order, *filler)
    for n in range(3, 5):
        await stop(store, lease, a_stop(-1, meter_stop=n, received_ms=20_000 + n), ANSWER)
    kept = await orphans.read(store, "demo", "CP.1")
    assert [orphan.meter_stop for orphan in kept.items] == [2, 3, 4]
    assert kept.evicted == 2


async def test_a_stop_that_differs_from_the_stored_one_is_kept_once_and_counted(store: Store) -> None:
    lease = await claimed(store)
    started = await start(store, lease, a_start(), ANSWER)
    await stop(store, lease, a_stop(started.id, meter_stop=500), ANSWER)
    other = a_stop(started.id, meter_stop=2_500, data=b'[{"n":1}]')
    for replayed in (False, True):
        outcome = await stop(store, lease, other, ANSWER)
        assert outcome == Orphaned(answer=ANSWER, fence="ok", replayed=replayed, contradicts=not replayed)
    [kept] = (await orphans.read(store, "demo", "CP.1")).items
    assert (kept.transaction_id, kept.meter_stop, kept.contradicts) == (str(started.id), 2_500, True)
    found = await get(store, "demo", public_id("CP.1", started.id))
    assert found is not None
    assert (found.meter_stop, found.contradicting_stops) == (500, 1)
