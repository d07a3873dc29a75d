"""Completed transactions are listed in the order of their completion, and each change lists them again."""

import pytest

from state.keys import ChargePointKeys
from state.keys import completed as stream_of
from state.nodes.leases import Lease
from state.paging import BadCursor
from state.store import Store
from state.transactions import Stopped, StopReplayed, completed, ending, get, stop
from state.transactions.completed import BEGINNING, Entry, Place
from state.transactions.ending import End
from tests.support.transactions import ANSWER, a_stop, claimed, start_one, stop_one

END = End(
    ended_ms=1_767_227_400_000,
    time_source="given",
    meter=150,
    meter_source="given",
    received_ms=1_767_300_000_000,
    api_key="key-1",
)


async def charge(store: Store, lease: Lease, number: int) -> int:
    """Start and stop a transaction that no other number gives."""
    id_ = (await start_one(store, lease, meter_start=number)).id
    await stop_one(store, lease, id_)
    return id_


async def end_one(store: Store, id_: int) -> None:
    found = await get(store, "demo", f"CP.1.{id_}")
    assert found is not None
    assert await ending.end(store, "demo", found, END, force=True) == "ended"


async def read_all(store: Store, after: Place = BEGINNING, *, limit: int = 100) -> list[Entry]:
    """Read page by page."""
    found: list[Entry] = []
    while True:
        batch = await completed.read(store, "demo", after, limit=limit)
        found += batch.entries
        after = Place.parse(batch.after.encode())
        if batch.complete:
            return found


def named(entries: list[Entry]) -> list[tuple[str, int, int]]:
    return [(one.charge_point, one.id, one.revision) for one in entries]


async def test_a_stop_and_an_end_and_each_later_change_enter_a_transaction_with_a_higher_revision(
    store: Store,
) -> None:
    lease = await claimed(store)
    stopped = await charge(store, lease, 1)
    ended = (await start_one(store, lease, meter_start=2)).id
    await end_one(store, ended)
    assert type(await stop(store, lease, a_stop(ended), ANSWER)) is Stopped
    await stop(store, lease, a_stop(ended, meter_stop=999), ANSWER)
    entries = await read_all(store)
    assert [(one.id, one.revision, one.changed) for one in entries] == [
        (stopped, 1, "stop"),
        (ended, 1, "end"),
        (ended, 2, "stop_after_end"),
        (ended, 3, "contradicting_stop"),
    ]
    assert [one.stopped_ms for one in entries] == [
        a_stop(1).stopped_ms,
        END.ended_ms,
        *[a_stop(1).stopped_ms] * 2,
    ]
    found = await get(store, "demo", f"CP.1.{ended}")
    assert found is not None
    assert (found.revision, found.completed_ms) == (3, entries[-1].entered_ms)


async def test_a_repeated_stop_or_end_changes_no_revision(store: Store) -> None:
    lease = await claimed(store)
    id_ = await charge(store, lease, 1)
    assert isinstance(await stop(store, lease, a_stop(id_), ANSWER), StopReplayed)
    contradicting = a_stop(id_, meter_stop=999)
    for _ in range(3):
        await stop(store, lease, contradicting, ANSWER)
    ended = (await start_one(store, lease, meter_start=2)).id
    await end_one(store, ended)
    found = await get(store, "demo", f"CP.1.{ended}")
    assert found is not None
    assert await ending.end(store, "demo", found, END, force=True) == "again"
    assert named(await read_all(store)) == [("CP.1", id_, 1), ("CP.1", id_, 2), ("CP.1", ended, 1)]


async def test_an_open_transaction_has_no_revision(store: Store) -> None:
    lease = await claimed(store)
    id_ = (await start_one(store, lease)).id
    found = await get(store, "demo", f"CP.1.{id_}")
    assert found is not None
    assert (found.revision, found.completed_ms) == (0, None)
    assert await read_all(store) == []


async def test_pages_of_any_length_have_each_entry_once_in_the_order_of_their_times(store: Store) -> None:
    """One charge point has many entries, so that its partition needs several reads for a page."""
    leases = [await claimed(store, f"CP.{n}") for n in range(12)]
    for number in range(40):
        await charge(store, leases[0], number)
        await charge(store, leases[number % 12], 1000 + number)
    whole = await read_all(store, limit=1000)
    assert len(whole) == 80
    assert [one.entered_ms for one in whole] == sorted(one.entered_ms for one in whole)
    for limit in (1, 7, 50, 79, 80, 81):
        assert await read_all(store, limit=limit) == whole


async def test_a_reader_gets_only_what_comes_after_its_cursor_and_not_after_a_given_end(store: Store) -> None:
    lease, other = await claimed(store), await claimed(store, "CP.2")
    await charge(store, lease, 1)
    begin = await completed.find_end(store, "demo")
    second = await charge(store, lease, 2)
    third = await charge(store, other, 3)
    end = await completed.find_end(store, "demo")
    await charge(store, lease, 4)
    batch = await completed.read(store, "demo", begin, limit=100, end=end)
    assert named(batch.entries) == [("CP.1", second, 1), ("CP.2", third, 1)]
    assert batch.complete
    assert (await completed.read(store, "demo", end, limit=100, end=end)).entries == []


async def test_a_position_is_above_the_last_one_although_the_clock_of_the_server_went_back(
    store: Store,
) -> None:
    lease = await claimed(store)
    ahead = store.server_time_ms() + 3_600_000
    await store.execute(
        "XADD",
        lease.keys.completed,
        f"{ahead}-7",
        "of",
        "CP.1/1",
        "revision",
        1,
        "changed",
        "stop",
        "stopped_ms",
        1,
    )
    end = await completed.find_end(store, "demo")
    id_ = await charge(store, lease, 1)
    [entry] = (await completed.read(store, "demo", end, limit=10)).entries
    assert (entry.id, entry.entered_ms) == (id_, ahead)


async def test_entries_made_before_a_time_are_passed_over(store: Store) -> None:
    lease = await claimed(store)
    await charge(store, lease, 1)
    [first] = await read_all(store)
    assert (await completed.read(store, "demo", limit=9, since_ms=first.entered_ms + 1)).entries == []
    assert (await completed.read(store, "demo", limit=9, since_ms=first.entered_ms)).entries == [first]


async def test_for_one_charge_point_only_its_partition_is_read(store: Store) -> None:
    await charge(store, await claimed(store), 1)
    id_ = await charge(store, await claimed(store, "CP.2"), 2)
    batch = await completed.read(store, "demo", limit=9, charge_point="CP.2")
    assert named(batch.entries) == [("CP.2", id_, 1)]
    assert set(batch.after.positions) == {ChargePointKeys("demo", "CP.2").partition}


async def test_a_transaction_with_very_many_changes_keeps_100_entries(store: Store) -> None:
    lease = await claimed(store)
    id_ = await charge(store, lease, 1)
    for reading in range(105):
        await stop(store, lease, a_stop(id_, meter_stop=1000 + reading), ANSWER)
    entries = await read_all(store)
    assert [one.revision for one in entries] == [*range(1, 100), 106]
    found = await get(store, "demo", f"CP.1.{id_}")
    assert found is not None
    assert found.entries is not None
    stored = await store.execute("XRANGE", stream_of(lease.keys.partition, "demo"), "-", "+")
    assert [entry.decode() for entry, _ in stored] == found.entries.split()


@pytest.mark.parametrize("text", ["", "c.", "x", "c.AAAA", "\u1234", "c.\u1234"])
def test_a_text_that_is_not_a_cursor_of_this_list_is_refused(text: str) -> None:
    with pytest.raises(BadCursor, match="completed transactions"):
        Place.parse(text)


def test_a_cursor_of_the_events_is_refused() -> None:
    text = BEGINNING.encode()
    assert Place.parse(text).positions == {}
    with pytest.raises(BadCursor):
        Place.parse(text.removeprefix("c."))
