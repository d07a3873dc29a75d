"""A transaction that began while the lease was lost gets its connector after the lease was taken again."""

import pytest
import trio

from state import holds, transactions
from state.errors import LeaseLost, StoreUnavailable, Superseded
from state.nodes.leases import Lease
from state.store import Store
from state.transactions import running
from state.transactions.starting import Limit
from tests.support.transactions import ANSWER, a_start, a_stop, claimed, events


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


async def superseded(store: Store, lease: Lease) -> list[tuple[int, int]]:
    """Return each transaction that an event says was superseded, with the one that began after it."""
    found = []
    for kind, data in await events(store, lease):
        if kind == "transaction.superseded":
            assert data["connector_id"] == 1
            ids = (data["transaction_id"], data["superseded_by"])
            found.append(tuple(int(one.rpartition(".")[2]) for one in ids))
    return [(earlier, later) for earlier, later in found]


async def by(store: Store, lease: Lease, number: int) -> int | None:
    found = await transactions.get(store, lease.keys.tenant, f"{lease.keys.id}.{number}")
    assert found is not None
    assert (found.superseded_by is None) == (found.superseded_ms is None)
    return found.superseded_by


async def limited(store: Store, lease: Lease, tag: str, meter: int) -> int:
    """Start a transaction of a driver with a limit."""
    start = a_start(id_tag=tag, meter_start=meter)
    outcome = await transactions.start(store, lease, start, ANSWER, limit=Limit(2, ANSWER))
    return outcome.id


async def held(store: Store, lease: Lease, tag: str) -> int:
    return len(await holds.list_(store, lease.keys.tenant, tag))


async def test_a_transaction_that_is_noted_later_supersedes_the_one_that_ran_before(store: Store) -> None:
    lease = await claimed(store, epoch=4)
    first = await limited(store, lease, "A", 1)
    await store.execute("HSET", lease.keys.lease, "epoch", 3)
    second = await limited(store, lease, "B", 2)
    assert await by(store, lease, first) is None
    await store.execute("HSET", lease.keys.lease, "epoch", 4)
    unpointed = dict(lease.unpointed)
    for _ in range(2):  # A lost reply makes the session repeat the step.
        lease.unpointed |= unpointed
        await running.set_pointers(store, lease)
        assert await runs(store, lease) == [second]
        assert await by(store, lease, first) == second
        assert await by(store, lease, second) is None
        assert await superseded(store, lease) == [(first, second)]
        assert (await held(store, lease, "A"), await held(store, lease, "B")) == (0, 1)


async def test_a_hold_whose_release_failed_is_released_when_the_step_is_repeated(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = await claimed(store, epoch=4)
    await limited(store, lease, "A", 1)
    await store.execute("HSET", lease.keys.lease, "epoch", 3)
    await limited(store, lease, "B", 2)
    await store.execute("HSET", lease.keys.lease, "epoch", 4)

    async def fail(*_: object) -> None:
        await trio.lowlevel.checkpoint()
        raise StoreUnavailable("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr(running, "release_hold", fail)
        with pytest.raises(StoreUnavailable):
            await running.set_pointers(store, lease)
    assert await held(store, lease, "A") == 1
    await running.set_pointers(store, lease)
    assert await held(store, lease, "A") == 0


async def test_a_transaction_that_a_later_one_followed_before_it_was_noted_is_superseded(
    store: Store,
) -> None:
    lease = await claimed(store, epoch=4)
    await store.execute("HSET", lease.keys.lease, "epoch", 3)
    first = await limited(store, lease, "A", 1)
    await store.execute("HSET", lease.keys.lease, "epoch", 4)
    unpointed = dict(lease.unpointed)
    second = await limited(store, lease, "B", 2)
    for _ in range(2):
        lease.unpointed |= unpointed
        await running.set_pointers(store, lease)
        assert await runs(store, lease) == [second]
        assert await by(store, lease, first) == second
        assert await by(store, lease, second) is None
        assert await superseded(store, lease) == [(first, second)]
        assert (await held(store, lease, "A"), await held(store, lease, "B")) == (0, 1)


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
