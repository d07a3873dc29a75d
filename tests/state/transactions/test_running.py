"""A transaction that began while the lease was lost gets its connector after the lease was taken again."""

import pytest

from state import transactions
from state.errors import LeaseLost, Superseded
from state.nodes.leases import Lease
from state.store import Store
from state.transactions import running
from tests.support.transactions import ANSWER, a_start, a_stop, claimed


async def start_while_lost(store: Store) -> tuple[Lease, int]:
    """Store a start of a session whose lease the store has lost, and take the lease again."""
    lease = await claimed(store, epoch=4)
    await store.execute("HSET", lease.keys.lease, "epoch", 3)
    outcome = await transactions.start(store, lease, a_start(), ANSWER)
    assert outcome.fence == "lost"
    assert await runs(store, lease) == []
    await store.execute("HSET", lease.keys.lease, "epoch", 4)
    return lease, outcome.id


async def runs(store: Store, lease: Lease) -> list[int]:
    return [one.id for one in await running.list_running(store, lease.keys.tenant, lease.keys.id)]


async def test_a_start_of_a_lost_lease_is_noted_as_running_after_the_lease_was_taken_again(
    store: Store,
) -> None:
    lease, number = await start_while_lost(store)
    await running.set_pointers(store, lease)
    assert await runs(store, lease) == [number]
    assert lease.unpointed == {}
    await running.set_pointers(store, lease)


async def test_a_transaction_that_has_ended_is_not_noted_as_running(store: Store) -> None:
    lease, number = await start_while_lost(store)
    await transactions.stop(store, lease, a_stop(number), b"")
    await running.set_pointers(store, lease)
    assert await runs(store, lease) == []
    assert lease.unpointed == {}


async def test_a_later_transaction_on_the_connector_stays_noted_as_running(store: Store) -> None:
    lease, _ = await start_while_lost(store)
    later = await transactions.start(store, lease, a_start(meter_start=7), ANSWER)
    await running.set_pointers(store, lease)
    assert await runs(store, lease) == [later.id]


@pytest.mark.parametrize(("epoch", "holder", "error"), [(3, "node/1", LeaseLost), (5, "node/2", Superseded)])
async def test_a_session_without_the_lease_notes_nothing(
    store: Store, epoch: int, holder: str, error: type[Exception]
) -> None:
    lease, _ = await start_while_lost(store)
    await store.execute("HSET", lease.keys.lease, "epoch", epoch, "holder", holder)
    with pytest.raises(error):
        await running.set_pointers(store, lease)
    assert await runs(store, lease) == []
    assert len(lease.unpointed) == 1


async def test_charge_points_with_open_transactions_are_listed_by_partition_and_tenant(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_PAGE", 2)
    lease, other = await claimed(store, "CP /1"), await claimed(store, "CP", tenant="other")
    ids = [
        (await transactions.start(store, lease, a_start(connector_id=number), ANSWER)).id
        for number in range(1, 5)
    ]
    await transactions.start(store, other, a_start(), ANSWER)
    partition = lease.keys.partition
    assert await running.list_with_open(store, partition, ["demo", "none"]) == {lease.keys.member}
    assert await running.list_with_open(store, other.keys.partition, ["other"]) == {other.keys.member}
    for number in ids:
        await transactions.stop(store, lease, a_stop(number), b"")
    assert await running.list_with_open(store, partition, ["demo"]) == set()
