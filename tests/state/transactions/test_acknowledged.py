from state.store import Store
from state.transactions import Started, start, stop
from state.transactions.acknowledged import Fact, find_missing
from tests.support.transactions import ANSWER, a_start, a_stop, claimed


async def test_facts_that_the_store_does_not_have_are_found(store: Store) -> None:
    lease = await claimed(store)
    began = await start(store, lease, a_start(), ANSWER)
    assert isinstance(began, Started)
    tenant, name = lease.keys.tenant, lease.keys.id
    start_of_it = Fact("start", tenant, name, began.id, 1, "t", 1)
    stop_of_it = Fact("stop", tenant, name, began.id, None, "t", 2)
    other = Fact("start", tenant, name, began.id + 1, 1, "t", 1)
    assert await find_missing(store, [start_of_it, stop_of_it, other]) == [stop_of_it, other]
    await stop(store, lease, a_stop(began.id), b"")
    assert await find_missing(store, [start_of_it, stop_of_it, other]) == [other]


async def test_a_stop_among_the_orphans_is_not_missing(store: Store) -> None:
    lease, orphan = await claimed(store), a_stop(77)
    fact = Fact("stop", lease.keys.tenant, lease.keys.id, 77, None, orphan.timestamp, orphan.meter_stop)
    unreadable = Fact("stop", lease.keys.tenant, lease.keys.id, None, None, "t", None)
    assert await find_missing(store, [fact, unreadable]) == [fact, unreadable]
    await stop(store, lease, orphan, b"")
    assert await find_missing(store, [fact, unreadable]) == [unreadable]
