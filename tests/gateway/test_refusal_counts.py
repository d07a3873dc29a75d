"""An attack fills neither the memory nor the store, and does not hide why real charge points are refused."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from gateway import refusal_counts
from gateway.refusal_counts import (
    DETAIL_CHARACTERS,
    EVENTS_PER_MINUTE,
    GATHERED,
    SOON_RECORDS,
    SOON_S,
    Note,
    RefusalCounts,
)
from state import charge_points
from state.charge_points import Settings, refusals
from state.charge_points.refusals import Gathered
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.store import Store
from state.tenants import refusal_records, tenants
from state.tenants.refusal_records import Filter, RefusalRecord

KEYS = ChargePointKeys("acme", "CP-1")


class Background:
    """Work that was started in the background and has not run yet."""

    def __init__(self) -> None:
        self.works: list[Callable[[], Awaitable[Any]]] = []

    def __call__(self, work: Callable[[], Awaitable[Any]]) -> None:
        self.works.append(work)


@pytest.fixture
async def registered(store: Store) -> Store:
    await tenants.put(store, KEYS.tenant, name="Acme", auto_register=False)
    await charge_points.put(store, KEYS.tenant, KEYS.id, Settings())
    return store


def note(reason: str = "wrong_password", address: str = "192.0.2.7", detail: str = "") -> Note:
    """Return the refusal of CP-1."""
    return Note(reason, address, "acme", "CP-1", detail, KEYS, failed=True)


STRANGER = Note("unknown_tenant", "192.0.2.7", "nobody", "CP-1")


def note_writes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, int]]:
    """Return the list to which each write adds its time and its number of records. Nothing is stored."""
    written: list[tuple[float, int]] = []

    async def record(_store: Store, gathered: Sequence[Gathered], **_: int) -> int:
        await trio.lowlevel.checkpoint()
        written.append((trio.current_time(), len(gathered)))
        return 0

    monkeypatch.setattr(refusals, "record", record)
    return written


async def shown(store: Store) -> dict[str, int]:
    return {one.reason: one.times for one in await refusals.read(store, "acme", "CP-1")}


async def listed(store: Store, tenant: str | None = "acme") -> tuple[RefusalRecord, ...]:
    return (await refusal_records.list_(store, tenant, Filter(), limit=10_000)).items


async def test_a_hundred_thousand_refusals_of_one_charge_point_are_one_record_and_one_write(
    registered: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusal_counts, "SOON_S", 0.0)
    background = Background()
    counts = RefusalCounts(registered, background)
    for _ in range(100_000):
        counts.note(note(detail="x" * 10_000))
    assert len(counts._gathered) == 1
    assert len(background.works) == 1
    await background.works[0]()
    [found] = await listed(registered)
    assert (found.times, found.charge_point, found.address) == (100_000, "CP-1", "192.0.2.7")
    assert found.first_ms <= found.last_ms
    assert len(found.detail) == DETAIL_CHARACTERS
    assert await shown(registered) == {"wrong_password": 100_000}


def flood_addresses(counts: RefusalCounts) -> None:
    for number in range(10_000):
        counts.note(Note("wrong_token", f"2001:db8::{number:x}", "acme", f"x{number}"))


def flood_identities(counts: RefusalCounts) -> None:
    for number in range(10_000):
        keys = ChargePointKeys("acme", f"made up {number}")
        counts.note(Note("too_many_failures", "198.51.100.1", "acme", keys.id, keys=keys, failed=True))


def flood_one_charge_point(counts: RefusalCounts) -> None:
    for number in range(10_000):
        counts.note(note(address=f"2001:db8::{number:x}"))


def flood_with_what_is_our_fault(counts: RefusalCounts) -> None:
    for number in range(10_000):
        counts.note(Note("busy", f"2001:db8::{number:x}", "acme", f"x{number}", ours=True))


@pytest.mark.parametrize(
    "flood", [flood_addresses, flood_identities, flood_one_charge_point, flood_with_what_is_our_fault]
)
async def test_a_flood_is_bounded_and_takes_no_room_of_other_charge_points(
    registered: Store, flood: Callable[[RefusalCounts], None]
) -> None:
    counts = RefusalCounts(registered, Background())
    others = [ChargePointKeys("acme", f"CP-{number}") for number in range(100, 200)]
    for keys in others:
        counts.note(Note("wrong_token", f"192.0.2.{keys.id[-2:]}", "acme", keys.id, keys=keys, failed=True))
    flood(counts)
    assert len(counts._gathered) <= GATHERED
    await counts.write()
    claimed = [one.charge_point for one in await listed(registered)]
    assert set(claimed) >= {keys.id for keys in others}


async def test_a_refusal_is_written_after_the_answer_and_with_others_of_its_second(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """The store sees no difference between a registered and an unknown id while the peer waits."""
    written = note_writes(monkeypatch)
    store: Any = None
    async with trio.open_nursery() as nursery:
        counts = RefusalCounts(store, nursery.start_soon)
        began = trio.current_time()
        assert autojump_clock.rate == 0
        for number, one in enumerate([note(), STRANGER, note()]):
            counts.note(one._replace(address=f"192.0.2.{number}"))
            await trio.sleep(SOON_S / 4)
            assert written == []
    assert written == [(began + SOON_S, 3)]


async def test_strangers_in_a_flood_wait_for_the_turn_of_housekeeping_and_charge_points_do_not(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    written = note_writes(monkeypatch)
    store: Any = None
    async with trio.open_nursery() as nursery:
        counts = RefusalCounts(store, nursery.start_soon)
        assert autojump_clock.rate == 0

        async def flood(strangers: int) -> list[int]:
            """Return the sizes of the writes in the seconds after the flood."""
            written.clear()
            for number in range(strangers):
                counts.note(STRANGER._replace(address=f"2001:db8::{number:x}"))
            await trio.sleep(5 * SOON_S)
            return [size for _, size in written]

        assert await flood(SOON_RECORDS) == [SOON_RECORDS]
        assert await flood(5) == []
        counts.note(note())
        await trio.sleep(2 * SOON_S)
        assert [size for _, size in written] == [6]
        assert await flood(7) == []
        await counts.turn()
        assert [size for _, size in written] == [7]
        assert await flood(1) == [1]


@pytest.mark.parametrize(("lost", "times"), [("question", 4), ("reply", 1)])
async def test_what_an_absent_store_did_not_get_is_written_later_but_nothing_is_counted_twice(
    registered: Store, lost: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, away = refusals.record, True

    async def lose(store: Store, gathered: Sequence[Gathered], *, events: int) -> int:
        if away:
            raise StoreUnavailable("away", sent=lost == "reply")
        return await record(store, gathered, events=events)

    monkeypatch.setattr(refusals, "record", lose)
    counts = RefusalCounts(registered, Background())
    for _ in range(3):
        counts.note(note(detail="first"))
        with pytest.raises(StoreUnavailable):
            await counts.write()
    counts.note(note(detail="last"))
    away = False
    await counts.write()
    assert await shown(registered) == {"wrong_password": times}
    [found] = await listed(registered)
    assert (found.times, found.detail) == (times, "last")


async def test_refusals_because_the_store_is_away_are_listed_when_it_is_back(registered: Store) -> None:
    record, away = refusals.record, True

    async def lose(store: Store, gathered: Sequence[Gathered], *, events: int) -> int:
        if away:
            raise StoreUnavailable("away")
        return await record(store, gathered, events=events)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refusals, "record", lose)
        counts = RefusalCounts(registered, Background())
        for _ in range(5):
            counts.note(Note("store_away", "192.0.2.7", "acme", "CP-1", ours=True))
            with pytest.raises(StoreUnavailable):
                await counts.write()
        away = False
        await counts.write()
    [found] = await listed(registered)
    assert (found.reason, found.times) == ("store_away", 5)


async def test_the_events_about_attacks_in_one_minute_are_bounded(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    allowed: list[int] = []

    async def record(_store: Store, gathered: Sequence[Gathered], *, events: int) -> int:
        await trio.lowlevel.checkpoint()
        allowed.append(events)
        return min(events, 15 * len(gathered))

    monkeypatch.setattr(refusals, "record", record)
    store: Any = None
    counts = RefusalCounts(store, Background())
    assert autojump_clock.rate == 0
    for wait_s in (0, 0, 0, 60):
        await trio.sleep(wait_s)
        counts.note(note())
        await counts.write()
    assert allowed == [EVENTS_PER_MINUTE, EVENTS_PER_MINUTE - 15, 0, EVENTS_PER_MINUTE]


async def test_a_write_waits_for_one_that_runs_already_and_both_share_the_bound_of_events(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed: list[int] = []
    written: list[int] = []
    goes_on = trio.Event()

    async def record(_store: Store, gathered: Sequence[Gathered], *, events: int) -> int:
        allowed.append(events)
        await goes_on.wait()
        written.append(len(gathered))
        return events

    monkeypatch.setattr(refusals, "record", record)
    counts = RefusalCounts(store, Background())
    async with trio.open_nursery() as nursery:
        counts.note(note())
        nursery.start_soon(counts.write)
        await wait_all_tasks_blocked()
        counts.note(note("flapping"))
        nursery.start_soon(counts.write)
        await wait_all_tasks_blocked()
        goes_on.set()
        await counts.write()
        assert written == [1, 1]
    assert allowed == [EVENTS_PER_MINUTE, 0]
