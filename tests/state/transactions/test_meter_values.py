import msgspec
import pytest

from state.nodes.leases import Lease
from state.store import Store
from state.transactions import Started, meter_values, start, stop
from state.transactions.stored_values import StoredValues
from tests.support.transactions import ANSWER, a_start, a_stop, claimed, events, read_values


async def start_charging(store: Store, lease: Lease) -> str:
    outcome = await start(store, lease, a_start(), ANSWER)
    assert isinstance(outcome, Started)
    return str(outcome.id)


async def append(
    store: Store, lease: Lease, transaction_id: str | None, n: int, *, connector_id: int = 1, at_ms: int = 0
) -> str:
    appended = await meter_values.append(
        store,
        lease,
        connector_id=connector_id,
        transaction_id=transaction_id,
        payload=b'[{"n":%d}]' % n,
        received_ms=at_ms or 1_767_225_600_000 + n,
    )
    return appended.fence


async def test_meter_values_are_read_in_the_order_of_arrival_and_as_they_were_sent(store: Store) -> None:
    lease = await claimed(store)
    transaction_id = await start_charging(store, lease)
    for n in (3, 1, 2):
        assert await append(store, lease, transaction_id, n, at_ms=10 - n) == "ok"
    assert await read_values(store, transaction_id) == [
        StoredValues(
            connector_id=1, transaction_id=transaction_id, received_ms=10 - n, payload=b'[{"n":%d}]' % n
        )
        for n in (3, 2, 1)
    ]
    assert await read_values(store, 1) == []


async def test_meter_values_that_are_repeated_exactly_are_stored_once_even_if_the_repeat_is_very_late(
    store: Store,
) -> None:
    lease = await claimed(store)
    for transaction_id in (await start_charging(store, lease), "-1", None):
        before = len(await events(store, lease))
        for at_ms, n in enumerate((1, 1, 2, 1), 1):
            assert await append(store, lease, transaction_id, n, at_ms=at_ms) == "ok"
        assert len(await events(store, lease)) == before + 2
    [first, second] = await read_values(store, lease.last_transaction_id)
    assert (first.received_ms, second.received_ms) == (1, 3)
    strays = (await meter_values.read_strays(store, "demo", "CP.1", 1)).messages
    assert sorted(m.received_ms for m in strays) == [1, 1, 3, 3]


async def test_meter_values_of_connector_0_that_name_a_transaction_belong_to_that_transaction(
    store: Store,
) -> None:
    lease = await claimed(store)
    transaction_id = await start_charging(store, lease)
    for connector_id in (0, 1):
        await append(store, lease, transaction_id, 1, connector_id=connector_id)
    stored = await read_values(store, transaction_id)
    assert {m.connector_id for m in stored} == {0, 1}


async def test_the_transaction_data_of_a_stop_is_stored_in_addition_to_equal_meter_values(
    store: Store,
) -> None:
    lease = await claimed(store)
    transaction_id = await start_charging(store, lease)
    await append(store, lease, transaction_id, 1)
    for _ in range(2):
        await stop(store, lease, a_stop(transaction_id, data=b'[{"n":1}]'), ANSWER)
    await append(store, lease, transaction_id, 2)  # Some charge points send more after the stop.
    stored = await read_values(store, transaction_id)
    assert {(m.connector_id, m.payload) for m in stored} == {
        (1, b'[{"n":1}]'),
        (None, b'[{"n":1}]'),
        (1, b'[{"n":2}]'),
    }


async def test_an_event_refers_to_meter_values_without_copying_them(store: Store) -> None:
    lease = await claimed(store)
    transaction_id = await start_charging(store, lease)
    await append(store, lease, transaction_id, 1)
    await append(store, lease, '"\n\\', 2, connector_id=2)
    await append(store, lease, None, 3, connector_id=0)
    nothing = {"energy_wh": None, "power_w": None}
    assert (await events(store, lease))[1:] == [
        ("meter_values", {"connector_id": 1, "transaction_id": f"CP.1.{transaction_id}", **nothing}),
        ("meter_values", {"connector_id": 2, "transaction_id": 'CP.1."\n\\', **nothing}),
        ("meter_values", {"connector_id": 0, "transaction_id": None, **nothing}),
    ]


@pytest.mark.parametrize("transaction_id", [None, "-1", "0", "a\nb", "é", "9223372036854775807"])
async def test_stray_meter_values_are_kept_with_the_transaction_id_that_they_named(
    store: Store, transaction_id: str | None
) -> None:
    lease = await claimed(store)
    for n in range(3):
        await append(store, lease, transaction_id, n)
    strays = await meter_values.read_strays(store, "demo", "CP.1", 1)
    assert [m.payload for m in strays.messages] == [b'[{"n":%d}]' % n for n in range(3)]
    assert {m.transaction_id for m in strays.messages} == {transaction_id}
    assert await meter_values.read_strays(store, "demo", "CP.1", 2) == ([], 0)


async def test_the_oldest_stray_meter_values_beyond_10000_are_removed_and_counted(store: Store) -> None:
    lease = await claimed(store)
    await store.execute("HSET", lease.keys.stray_counts, "kept", 9_995)
    for n in range(10):
        await append(store, lease, "-1", n, at_ms=n + 1)
    strays = await meter_values.read_strays(store, "demo", "CP.1", 1)
    assert [m.received_ms for m in strays.messages] == list(range(6, 11))
    assert strays.evicted == 5


async def test_a_connector_keeps_its_latest_stray_values_when_others_fill_the_store(store: Store) -> None:
    lease = await claimed(store)
    await store.execute("HSET", lease.keys.stray_counts, "kept", 20_000)
    await append(store, lease, None, 1, connector_id=7)
    await append(store, lease, None, 2, connector_id=7)
    strays = await meter_values.read_strays(store, "demo", "CP.1", 7)
    assert [m.payload for m in strays.messages] == [b'[{"n":2}]']


async def test_stray_values_are_not_removed_while_a_transaction_runs_on_their_connector(store: Store) -> None:
    lease = await claimed(store)
    transaction_id = await start_charging(store, lease)
    await store.execute("HSET", lease.keys.stray_counts, "kept", 9_998)
    for n in range(10):
        await append(store, lease, None, n, at_ms=n + 1)
    assert len((await meter_values.read_strays(store, "demo", "CP.1", 1)).messages) == 10
    await stop(store, lease, a_stop(transaction_id), ANSWER)
    await append(store, lease, None, 10, at_ms=11)
    strays = await meter_values.read_strays(store, "demo", "CP.1", 1)
    assert [m.received_ms for m in strays.messages] == list(range(10, 12))
    assert strays.evicted == 9


async def test_meter_values_without_a_transaction_share_one_key_for_all_connectors_above_254_or_below_0(
    store: Store,
) -> None:
    lease = await claimed(store)
    for connector_id in (*range(250, 270), -1, 2**31 - 1):
        await append(store, lease, None, 1, connector_id=connector_id)
    assert len(await store.execute("KEYS", "*stray-values*")) == 6
    shared = await meter_values.read_strays(store, "demo", "CP.1", 2**31 - 1)
    assert {m.connector_id for m in shared.messages} == {*range(255, 270), -1, 2**31 - 1}


async def test_meter_values_are_stored_even_if_they_come_from_a_session_that_was_replaced(
    store: Store,
) -> None:
    lease = await claimed(store, epoch=2)
    transaction_id = await start_charging(store, lease)
    for epoch, fence in ((1, "newer"), (3, "lost")):
        stale = Lease(lease.keys, "old/1", epoch)
        assert await append(store, stale, transaction_id, epoch) == fence
    assert len(await read_values(store, transaction_id)) == 2


async def test_a_long_meter_values_message_is_read_completely(store: Store) -> None:
    lease = await claimed(store)
    transaction_id = await start_charging(store, lease)
    payload = msgspec.json.encode([{"timestamp": str(n)} for n in range(3000)])
    await meter_values.append(
        store, lease, connector_id=1, transaction_id=transaction_id, payload=payload, received_ms=1
    )
    [stored] = await read_values(store, transaction_id)
    assert stored.payload == payload


async def test_cached_lua_steps_do_not_mix_up_the_meter_values_of_several_connectors(store: Store) -> None:
    lease = await claimed(store)
    transaction_id = await start_charging(store, lease)
    for at_ms in range(1, 4):
        for connector_id in range(6):
            await append(store, lease, transaction_id, at_ms, connector_id=connector_id, at_ms=at_ms)
            await append(store, lease, None, at_ms, connector_id=connector_id, at_ms=at_ms)
    kept = await read_values(store, transaction_id)
    assert sorted((one.received_ms, one.connector_id or 0) for one in kept) == [
        (t, c) for t in range(1, 4) for c in range(6)
    ]
    for connector_id in range(6):
        strays = await meter_values.read_strays(store, "demo", "CP.1", connector_id)
        assert [(one.received_ms, one.connector_id) for one in strays.messages] == [
            (t, connector_id) for t in range(1, 4)
        ]
    lease.epoch += 1
    assert await append(store, lease, transaction_id, 1, at_ms=9) == "lost"
    lease.epoch -= 1
    await store.execute("HSET", lease.keys.lease, "holder", "node/2")
    assert await append(store, lease, transaction_id, 1, at_ms=9) == "newer"
