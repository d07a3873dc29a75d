"""A finished transaction is forgotten with everything that belongs to it, and an open one never is."""

import pytest

from state import charge_points, keys
from state.charge_points import Settings
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.store import Store
from state.transactions import Orphaned, Replayed, Started, ending, get, list_, meter_values, start, stop
from state.transactions.ending import End
from state.transactions.forgetting import forget, forget_many
from tests.support.full_store import full
from tests.support.transactions import ANSWER, a_start, a_stop, claimed, read_values

KEYS = ChargePointKeys("demo", "CP.1")
END = End(ended_ms=2, time_source="given", meter=1, meter_source="given", received_ms=2, api_key="key")
OUTLIVE = {b"events", b"completed"}
QUEUES = (keys.unpacked(KEYS.partition), keys.unarchived(KEYS.partition), keys.archived(KEYS.partition))


async def charge(store: Store, lease: Lease, number: int = 1, *, stopped: bool = True) -> int:
    """Start a transaction, send three messages of meter values, and stop it. Returns its id."""
    outcome = await start(store, lease, a_start(meter_start=number), ANSWER)
    assert isinstance(outcome, Started)
    for reading in range(3):
        await meter_values.append(
            store,
            lease,
            connector_id=1,
            transaction_id=str(outcome.id),
            payload=b"[%d]" % reading,
            received_ms=reading,
        )
    if stopped:
        await stop(store, lease, a_stop(outcome.id, data=b"[9]"), ANSWER)
    return outcome.id


async def read_all(store: Store) -> dict[bytes, object]:
    """Read all keys but events and the order of completion, whose entries outlive a transaction."""
    names = [key for key in await store.execute("KEYS", "*") if key.split(b":")[1] not in OUTLIVE]
    return {name: await store.execute("DUMP", name) for name in names}


async def queue(store: Store, number: int, *queues: str) -> None:
    await store.pipeline([("ZADD", one, 1, KEYS.queued(number)) for one in queues])


async def test_nothing_of_a_forgotten_transaction_is_left_but_the_last_id_of_its_charge_point(
    store: Store,
) -> None:
    lease = await claimed(store)
    await charge_points.put(store, "demo", "CP.1", Settings())
    before = await read_all(store)
    number = await charge(store, lease)
    await queue(store, number, *QUEUES)
    assert await forget(store, "demo", "CP.1", number)
    last = await store.execute("HGET", KEYS.record, "last_transaction_id")
    assert int(last) == number
    await store.execute("HDEL", KEYS.record, "last_transaction_id")
    assert await read_all(store) == before
    assert await get(store, "demo", f"CP.1.{number}") is None
    assert not await forget(store, "demo", "CP.1", number)


async def test_only_the_transaction_that_is_forgotten_leaves_the_lists(store: Store) -> None:
    lease = await claimed(store)
    kept, forgotten = await charge(store, lease, 1), await charge(store, lease, 2)
    assert await forget(store, "demo", "CP.1", forgotten)
    for charge_point in (None, "CP.1"):
        page = await list_(store, "demo", charge_point=charge_point)
        assert [one.id for one in page.items] == [kept]
    assert len(await read_values(store, kept)) == 4


async def test_an_open_transaction_is_not_forgotten_and_keeps_all_its_data(store: Store) -> None:
    lease = await claimed(store)
    number = await charge(store, lease, stopped=False)
    before = await read_all(store)
    assert not await forget(store, "demo", "CP.1", number)
    assert await forget_many(store, [("demo", "CP.1", number)], only_archived=False) == ["open"]
    assert await read_all(store) == before


async def test_a_transaction_that_an_operator_ended_is_forgotten_and_its_late_stop_is_an_orphan(
    store: Store,
) -> None:
    lease = await claimed(store)
    number = await charge(store, lease, stopped=False)
    found = await get(store, "demo", f"CP.1.{number}")
    assert found is not None
    await ending.end(store, "demo", found, END, force=True)
    assert await forget(store, "demo", "CP.1", number)
    assert isinstance(await stop(store, lease, a_stop(number), ANSWER), Orphaned)
    assert await get(store, "demo", f"CP.1.{number}") is None


async def test_values_that_arrive_after_their_transaction_was_forgotten_are_strays(store: Store) -> None:
    lease = await claimed(store)
    number = await charge(store, lease)
    await forget(store, "demo", "CP.1", number)
    late = await meter_values.append(
        store, lease, connector_id=1, transaction_id=str(number), payload=b"[]", received_ms=5
    )
    assert late.outcome == "stray"


async def test_the_fingerprint_stays_if_it_belongs_to_a_later_transaction_with_the_same_start(
    store: Store,
) -> None:
    """A charge point whose clock is stuck sends the same start for each of its transactions."""
    lease, stuck = await claimed(store), a_start(plausible=False)
    first = await start(store, lease, stuck, ANSWER)
    await stop(store, lease, a_stop(first.id), ANSWER)
    second = await start(store, lease, stuck, ANSWER)
    assert isinstance(second, Started)
    assert await forget(store, "demo", "CP.1", first.id)
    repeated = await start(store, lease, stuck, ANSWER)
    assert isinstance(repeated, Replayed)
    assert repeated.id == second.id


@pytest.mark.parametrize("queued_again", [None, "unpacked", "unarchived"])
async def test_a_transaction_that_is_not_archived_as_it_is_now_is_due_and_not_forgotten(
    store: Store, queued_again: str | None
) -> None:
    lease = await claimed(store)
    number = await charge(store, lease)
    if queued_again is not None:
        await store.execute("HSET", KEYS.transaction(number), "archived", "a file")
        await queue(store, number, getattr(keys, queued_again)(KEYS.partition))
    assert await forget_many(store, [("demo", "CP.1", number)], only_archived=True) == ["due"]
    await store.execute("HSET", KEYS.transaction(number), "archived", "a file")
    await store.pipeline([("ZREM", one, KEYS.queued(number)) for one in QUEUES[:2]])
    assert await forget_many(store, [("demo", "CP.1", number)], only_archived=True) == ["forgotten"]


async def test_a_transaction_that_is_gone_leaves_the_queues_of_its_partition(store: Store) -> None:
    await queue(store, 7, *QUEUES)
    assert await forget_many(store, [("demo", "CP.1", 7)], only_archived=True) == ["unknown"]
    assert await store.execute("EXISTS", *QUEUES) == 0


async def test_a_purged_charge_point_takes_its_transactions_out_of_the_queues(store: Store) -> None:
    lease = await claimed(store)
    await charge_points.put(store, "demo", "CP.1", Settings())
    number = await charge(store, lease)
    await queue(store, number, *QUEUES)
    await store.execute("DEL", KEYS.lease)  # The session of the charge point has ended.
    assert await charge_points.delete(store, "demo", "CP.1", purge=True) is True
    assert await store.execute("EXISTS", *QUEUES, *KEYS.of_transaction(number)) == 0


async def test_transactions_are_forgotten_in_a_store_that_is_full(store: Store) -> None:
    lease = await claimed(store)
    number = await charge(store, lease)
    await queue(store, number, *QUEUES)
    async with full(store):
        with pytest.raises(StoreUnavailable):
            await start(store, lease, a_start(meter_start=5), ANSWER)
        assert await forget(store, "demo", "CP.1", number)
    assert await store.execute("EXISTS", *QUEUES, *KEYS.of_transaction(number), KEYS.starts) == 0
