import msgspec

from state.store import Store
from state.transactions import Orphaned, meter_values, orphans, stop
from state.transactions.orphans import Orphan
from tests.support.transactions import ANSWER, a_stop, claimed


async def test_a_stop_of_an_unknown_transaction_is_stored_with_all_its_fields(store: Store) -> None:
    lease = await claimed(store)
    sent = a_stop(-1, reason="PowerLoss", id_tag="Tag", data=b'[{"n":1}]', received_ms=5)
    await stop(store, lease, sent, ANSWER)
    [kept] = (await orphans.read(store, "demo", "CP.1")).items
    facts = {name: value for name, value in msgspec.structs.asdict(sent).items() if name != "data"}
    assert kept == Orphan(**facts, answer=ANSWER)
    [stray] = await meter_values.read_strays(store, "demo", "CP.1", 0)
    assert (stray.transaction_id, stray.connector_id, stray.payload) == ("-1", None, b'[{"n":1}]')


async def test_stops_of_unknown_transactions_that_differ_in_one_field_are_stored_separately(
    store: Store,
) -> None:
    lease = await claimed(store)
    for changes in ({}, {"meter_stop": 1}, {"timestamp": "2026-01-01T00:00:09Z"}, {"id_tag": "x"}):
        outcome = await stop(store, lease, a_stop(-1, **changes), ANSWER)
        assert outcome == Orphaned(answer=ANSWER, fence="ok", replayed=False)
    await stop(store, lease, a_stop(0), ANSWER)
    assert len((await orphans.read(store, "demo", "CP.1")).items) == 5


async def test_the_oldest_stops_of_unknown_transactions_beyond_200_are_removed_and_counted(
    store: Store,
) -> None:
    lease = await claimed(store)
    for n in range(205):
        await stop(store, lease, a_stop(-1, meter_stop=n, received_ms=1_000 + n), ANSWER)
    kept = await orphans.read(store, "demo", "CP.1")
    assert [orphan.meter_stop for orphan in kept.items] == list(range(5, 205))
    assert kept.evicted == 5
