"""No event is lost, the events of a charge point are in order, streams are bounded, and a gap is reported."""

import re
from collections import defaultdict
from importlib.resources import files

import trio

from state.events import events
from state.events.cursor import Cursor
from state.events.events import Event
from state.keys import ChargePointKeys
from state.store import Store
from state.transactions.meter_values import UNCHECKED_S
from tests.state.events.emitting import emit, some_charge_points

TENANT = "acme {1}"


async def read_all(store: Store, cursor: Cursor, limit: int) -> tuple[list[Event], Cursor]:
    found: list[Event] = []
    while True:
        batch = await events.read(store, TENANT, cursor, limit)
        assert not batch.gap
        assert len(batch.events) <= limit
        found += batch.events
        # A subscriber resumes with the encoded cursor.
        cursor = Cursor.parse(batch.cursor.encode())
        assert cursor == batch.cursor
        if batch.complete:
            return found, cursor


def numbers(found: list[Event]) -> dict[str, list[int]]:
    by_charge_point = defaultdict(list)
    for event in found:
        by_charge_point[event.charge_point].append(int(bytes(event.data)))
    return by_charge_point


async def test_an_event_is_read_with_the_same_data_with_which_it_was_appended(store: Store) -> None:
    keys = ChargePointKeys(TENANT, "CP/ü")
    cursor = await events.now_cursor(store, TENANT)
    await emit(store, keys, 7)
    ((event,), _, gap, complete) = await events.read(store, TENANT, cursor, 10)
    assert (event.tenant, event.charge_point, event.kind) == (TENANT, "CP/ü", "tested")
    assert (bytes(event.data), gap, complete) == (b"7", False, True)
    assert abs(event.at_ms - store.server_time_ms()) < 2000
    assert events.place(event)[0] == keys.partition


async def test_pages_of_events_neither_omit_nor_repeat_an_event(store: Store) -> None:
    charge_points = some_charge_points(TENANT, 40)
    await emit(store, charge_points[0], 1, 30)
    cursor = await events.now_cursor(store, TENANT)
    for keys in charge_points:
        await emit(store, keys, 100, 129)
    found, cursor = await read_all(store, cursor, 50)
    assert numbers(found) == {keys.id: list(range(100, 130)) for keys in charge_points}
    assert len({event.id for event in found}) == len(found)
    # Events that are appended later are also found, even if they have the same millisecond as the last event.
    await emit(store, charge_points[3], 130, 135)
    found, cursor = await read_all(store, cursor, 50)
    assert numbers(found) == {charge_points[3].id: list(range(130, 136))}
    again, later = await read_all(store, cursor, 50)
    assert (again, later.positions) == ([], cursor.positions)


async def test_a_reader_misses_no_event_while_other_events_are_appended(store: Store) -> None:
    charge_points = some_charge_points(TENANT, 12)
    cursor = await events.now_cursor(store, TENANT)
    done = False

    async def write(keys: ChargePointKeys) -> None:
        for first in range(0, 60, 3):
            await emit(store, keys, first, first + 2)

    async def write_all() -> None:
        nonlocal done
        async with trio.open_nursery() as nursery:
            for keys in charge_points:
                nursery.start_soon(write, keys)
        done = True

    found: list[Event] = []
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(write_all)
            while True:
                last = done
                batch = await events.read(store, TENANT, cursor, 64)
                found += batch.events
                cursor = batch.cursor
                if last and batch.complete:
                    break
    assert numbers(found) == {keys.id: list(range(60)) for keys in charge_points}


async def test_a_tenant_does_not_see_the_events_of_another_tenant(store: Store) -> None:
    cursor = await events.now_cursor(store, TENANT)
    await emit(store, ChargePointKeys("other", "CP 1"), 1)
    assert (await events.read(store, TENANT, cursor, 10)).events == []


async def test_a_full_event_stream_reports_a_gap_only_to_readers_that_have_missed_dropped_events(
    store: Store,
) -> None:
    (keys,) = some_charge_points(TENANT, 1)
    before = await events.now_cursor(store, TENANT)
    await emit(store, keys, 1, 9_900)
    assert not (await events.read(store, TENANT, before, 10)).gap
    in_time = await events.now_cursor(store, TENANT)
    await emit(store, keys, 9_901, 10_400)
    lost = await events.read(store, TENANT, before, 512)
    assert lost.gap
    assert int(bytes(lost.events[0].data)) > 1
    assert numbers((await read_all(store, in_time, 512))[0]) == {keys.id: list(range(9_901, 10_401))}
    assert await store.execute("XLEN", keys.events) <= 10_200


async def test_a_read_with_a_cursor_that_is_too_old_reports_a_gap_and_the_next_read_does_not(
    store: Store,
) -> None:
    (keys,) = some_charge_points(TENANT, 1)
    cursor = await events.now_cursor(store, TENANT)
    old = cursor._replace(complete_ms=cursor.complete_ms - events.KEPT_MS)
    await emit(store, keys, 1)
    batch = await events.read(store, TENANT, old, 10)
    assert (batch.gap, len(batch.events)) == (True, 1)
    assert not (await events.read(store, TENANT, batch.cursor, 10)).gap
    young = cursor._replace(complete_ms=cursor.complete_ms - events.KEPT_MS + 120_000)
    assert not (await events.read(store, TENANT, young, 10)).gap


async def test_the_time_in_a_cursor_does_not_advance_until_the_reader_has_read_all_events(
    store: Store,
) -> None:

    (keys,) = some_charge_points(TENANT, 1)
    cursor = await events.now_cursor(store, TENANT)
    await emit(store, keys, 1, 30)
    batch = await events.read(store, TENANT, cursor, 5)
    assert not batch.complete
    assert batch.cursor.complete_ms == cursor.complete_ms


async def test_old_events_are_removed_and_an_event_stream_without_new_events_expires(store: Store) -> None:
    (keys,) = some_charge_points(TENANT, 1)
    long_ago = store.server_time_ms() - events.KEPT_MS - 60_000
    for n in range(250):
        await store.execute(
            "XADD", keys.events, f"{long_ago}-{n + 1}", "of", keys.member, "kind", "tested", "data", n
        )
    await emit(store, keys, 1000)
    # The store trims only whole nodes of a stream.
    assert await store.execute("XLEN", keys.events) <= 100
    left = await store.execute("PTTL", keys.events)
    needed = events.KEPT_MS + int(UNCHECKED_S * 1000)
    assert needed < left <= needed + 5_400_000
    # The expiry is not renewed until less than this is left.
    await store.execute("PEXPIRE", keys.events, needed + 1000)
    await emit(store, keys, 1001)
    assert await store.execute("PTTL", keys.events) <= needed + 1000
    await store.execute("PEXPIRE", keys.events, needed - 1000)
    await emit(store, keys, 1002)
    assert await store.execute("PTTL", keys.events) > needed + 5_000_000


async def test_a_cursor_forgets_its_positions_in_event_streams_that_have_expired(store: Store) -> None:
    now = store.server_time_ms()
    recent, gone = (now - 1000, 3), (now - 2 * events.KEPT_MS - 1000, 0)
    batch = await events.read(store, TENANT, Cursor(now, {1: recent, 2: gone}), 10)
    assert batch.cursor.positions == {1: recent}


def test_the_lua_code_and_the_python_code_keep_the_same_number_of_events() -> None:
    prelude = (files("state") / "lua" / "_prelude.lua").read_text(encoding="utf-8")
    found = re.search(r"EVENTS_KEPT, EVENTS_KEPT_MS = (\d+), (\d+)", prelude)
    assert found is not None
    assert (int(found[1]), int(found[2])) == (events.KEPT, events.KEPT_MS)
    assert re.findall(r"EVENTS_KEPT = (\d+)", prelude) == [str(events.KEPT)]


def test_a_stream_of_events_lasts_as_long_as_meter_values_may_come_without_a_check() -> None:
    prelude = (files("state") / "lua" / "_prelude.lua").read_text(encoding="utf-8")
    assert re.findall(r"UNCHECKED_MS = (\d+)", prelude) == [f"{UNCHECKED_S * 1000:.0f}"]


async def test_a_read_up_to_now_ends_although_more_events_come_than_a_page_has(store: Store) -> None:
    charge_points = some_charge_points(TENANT, 3)
    cursor = await events.now_cursor(store, TENANT)
    for keys in charge_points:
        await emit(store, keys, 0, 49)
    until = await events.now_cursor(store, TENANT)
    found: list[Event] = []
    with trio.fail_after(60):
        async for batch in events.read_until(store, TENANT, cursor, until, 10):
            found += batch.events
            for keys in charge_points:
                await emit(store, keys, 50, 99)
    before = {name: [number for number in of if number < 50] for name, of in numbers(found).items()}
    assert before == {keys.id: list(range(50)) for keys in charge_points}
    assert len(found) < 300
