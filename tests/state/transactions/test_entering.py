"""Upkeep of the order of completion: enter what older releases completed, and remove what is too old."""

import pytest

from state.events.cursor import Cursor
from state.keys import ENTERED, ChargePointKeys
from state.nodes.leases import Lease
from state.store import Store
from state.tenants import tenants
from state.transactions import completed, ending, entering, get, packing, search
from state.transactions.completed import BEGINNING, KEPT_MS, Entry, Place
from state.transactions.ending import End
from state.transactions.forgetting import forget
from tests.support.full_store import full
from tests.support.transactions import a_stop, claimed, start_one, stop_one

KEYS = ChargePointKeys("demo", "CP.1")
END = End(ended_ms=7, time_source="given", meter=None, meter_source=None, received_ms=9, api_key="key")


async def charge(store: Store, lease: Lease, number: int = 1) -> int:
    id_ = (await start_one(store, lease, meter_start=number)).id
    await stop_one(store, lease, id_)
    return id_


async def as_older_release(store: Store, lease: Lease, id_: int) -> None:
    """Take the transaction out of the order of completion, as if an older release had completed it."""
    key = lease.keys.transaction(id_)
    entries = (await store.execute("HGET", key, "entries")).decode().split()
    await store.execute("XDEL", lease.keys.completed, *entries)
    await store.execute("HDEL", key, "revision", "entries")


async def read_all(store: Store, tenant: str = "demo") -> list[Entry]:
    return (await completed.read(store, tenant, limit=1000)).entries


async def age(store: Store, lease: Lease, id_: int, ms: int) -> None:
    """Put the entry of a transaction in place of one that was made earlier by this time."""
    key, entered_ms = lease.keys.transaction(id_), store.server_time_ms() - ms
    await as_older_release(store, lease, id_)
    await store.execute("DEL", lease.keys.completed)
    entry = f"{entered_ms}-0"
    fields = ("of", f"{lease.keys.id}/{id_}", "revision", 1, "changed", "stop", "stopped_ms", 1)
    await store.execute("XADD", lease.keys.completed, entry, *fields)
    await store.execute("HSET", key, "revision", 1, "entries", entry)


async def test_transactions_that_older_releases_completed_are_entered_once_in_several_calls(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_TENANTS", 1)
    monkeypatch.setattr(search, "_AT_ONCE", 2)
    expected: dict[str, set[tuple[str, int, str]]] = {}
    for tenant in ("one", "two"):
        await tenants.put(store, tenant, name="", auto_register=True)
        lease = await claimed(store, tenant=tenant)
        old = [await charge(store, lease, number) for number in range(5)]
        for id_ in old:
            await as_older_release(store, lease, id_)
        new = await charge(store, lease, 7)
        await start_one(store, lease, meter_start=8)
        expected[tenant] = {("stop", 1, str(new)), *(("found", 1, str(id_)) for id_ in old)}
    calls = 0
    while not await entering.enter_some(store):
        calls += 1
    assert calls > 16
    await store.execute("DEL", ENTERED)
    while not await entering.enter_some(store):
        pass
    for tenant in ("one", "two"):
        entries = await read_all(store, tenant)
        assert len(entries) == 6
        assert {(one.changed, one.revision, str(one.id)) for one in entries} == expected[tenant]


async def test_a_found_transaction_shows_when_csms_received_its_stop_or_the_end_if_that_came_later(
    store: Store,
) -> None:
    await tenants.put(store, "demo", name="", auto_register=True)
    lease = await claimed(store)
    stopped = await charge(store, lease)
    ended = (await start_one(store, lease, meter_start=2)).id
    found = await get(store, "demo", f"CP.1.{ended}")
    assert found is not None
    await ending.end(store, "demo", found, END, force=True)
    for id_ in (stopped, ended):
        await as_older_release(store, lease, id_)
    while not await entering.enter_some(store):
        pass
    entries = {one.id: one for one in await read_all(store)}
    fact = a_stop(stopped)
    assert (entries[stopped].received_ms, entries[stopped].stopped_ms) == (fact.received_ms, fact.stopped_ms)
    assert (entries[ended].received_ms, entries[ended].stopped_ms) == (9, 7)


async def test_what_an_older_gateway_completes_after_the_search_is_entered_when_it_is_packed(
    store: Store,
) -> None:
    lease = await claimed(store)
    old, new = await charge(store, lease), await charge(store, lease, 2)
    await as_older_release(store, lease, old)
    async with full(store):
        assert await packing.pack_due(store, KEYS.partition, store.server_time_ms() + 60_000, 10) == 2
    assert {(one.id, one.changed) for one in await read_all(store)} == {(old, "found"), (new, "stop")}


async def test_an_entry_stays_35_days_after_its_transaction_has_left_the_store(store: Store) -> None:
    lease = await claimed(store)
    id_ = await charge(store, lease)
    await age(store, lease, id_, KEPT_MS - 60_000)
    assert await forget(store, "demo", "CP.1", id_)
    assert await entering.remove_old(store, "demo", KEYS.partition) == 0
    assert [one.id for one in await read_all(store)] == [id_]
    await store.execute("DEL", KEYS.completed)
    fields = ("of", f"CP.1/{id_}", "revision", 1, "changed", "stop", "stopped_ms", 1)
    await store.execute("XADD", KEYS.completed, f"{store.server_time_ms() - KEPT_MS - 60_000}-0", *fields)
    async with full(store):
        assert await entering.remove_old(store, "demo", KEYS.partition) == 1
    assert await store.execute("EXISTS", KEYS.completed) == 0


async def test_an_old_entry_stays_as_long_as_its_transaction_is_in_the_store(store: Store) -> None:
    lease = await claimed(store)
    id_ = await charge(store, lease)
    await age(store, lease, id_, 2 * KEPT_MS)
    assert await entering.remove_old(store, "demo", KEYS.partition) == 0
    assert [one.id for one in await read_all(store)] == [id_]


async def test_the_old_entries_of_a_transaction_go_when_it_leaves_the_store(store: Store) -> None:
    lease = await claimed(store)
    id_ = await charge(store, lease)
    await age(store, lease, id_, 2 * KEPT_MS)
    new = await charge(store, lease, 2)
    assert await forget(store, "demo", "CP.1", id_)
    assert await forget(store, "demo", "CP.1", new)
    assert [one.id for one in await read_all(store)] == [new]


async def test_an_empty_stream_stays_if_its_last_entry_was_new_so_that_no_position_is_used_again(
    store: Store,
) -> None:
    lease = await claimed(store)
    id_ = await charge(store, lease)
    await age(store, lease, id_, KEPT_MS + 60_000)
    new = await charge(store, lease, 2)
    await as_older_release(store, lease, new)
    await store.execute("DEL", KEYS.transaction(id_))
    assert await entering.remove_old(store, "demo", KEYS.partition) == 1
    assert await store.execute("EXISTS", KEYS.completed) == 1


async def test_a_reader_with_an_old_cursor_hears_that_entries_after_it_were_removed(store: Store) -> None:
    lease = await claimed(store)
    id_ = await charge(store, lease)
    before = Place(Cursor(store.server_time_ms() - 3 * KEPT_MS, {}))
    assert not (await completed.read(store, "demo", before, limit=10)).gap
    await age(store, lease, id_, 2 * KEPT_MS)
    await charge(store, lease, 2)
    await store.execute("DEL", KEYS.transaction(id_))
    await entering.remove_old(store, "demo", KEYS.partition)
    batch = await completed.read(store, "demo", before, limit=10)
    assert batch.gap
    assert not (await completed.read(store, "demo", batch.after, limit=10)).gap
    assert not (await completed.read(store, "demo", BEGINNING, limit=10)).gap
