"""An attack fills neither the memory nor the store, and does not hide why real charge points are refused."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gateway import refusal_counts
from gateway.refusal_counts import DETAIL_CHARACTERS, GATHERED, SOON_S, RefusalCounts
from state import charge_points, keys
from state.charge_points import Settings, refusals
from state.charge_points.refusals import Refusals, Refused
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.store import Store

KEYS = ChargePointKeys("acme", "CP-1")


class Background:
    """Work that was started in the background and has not run yet."""

    def __init__(self) -> None:
        self.works: list[Callable[[], Awaitable[Any]]] = []

    def __call__(self, work: Callable[[], Awaitable[Any]]) -> None:
        self.works.append(work)


@pytest.fixture
async def registered(store: Store) -> Store:
    await charge_points.put(store, KEYS.tenant, KEYS.id, Settings())
    return store


async def shown(store: Store) -> dict[str, int]:
    return {one.reason: one.times for one in await refusals.read(store, "acme", "CP-1")}


async def test_a_hundred_thousand_refusals_of_one_charge_point_are_one_entry_and_one_write(
    registered: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusal_counts, "SOON_S", 0.0)
    written: list[int] = []
    record = refusals.record

    async def count(store: Store, gathered: list[Refusals]) -> None:
        written.append(len(gathered))
        await record(store, gathered)

    monkeypatch.setattr(refusals, "record", count)
    background = Background()
    counts = RefusalCounts(registered, background)
    for number in range(100_000):
        counts.note(KEYS, "wrong_password", f"2001:db8::{number:x}", "x" * 10_000)
    assert len(counts._of_charge_points) + len(counts._of_strangers) == 1
    assert len(background.works) == 1
    await background.works[0]()
    assert written == [1]
    [found] = await refusals.read(registered, "acme", "CP-1")
    assert (found.times, found.address) == (100_000, f"2001:db8::{99_999:x}")
    assert len(found.detail) == DETAIL_CHARACTERS
    assert await registered.execute("HLEN", KEYS.refusals) == 2


async def test_strangers_from_a_hundred_thousand_addresses_are_bounded_and_take_no_room_of_charge_points(
    registered: Store,
) -> None:
    counts = RefusalCounts(registered, Background())
    for number in range(100_000):
        counts.note(None, "unknown_tenant", f"2001:db8::{number:x}")
    counts.note(KEYS, "wrong_password", "192.0.2.7")
    assert len(counts._of_strangers) == GATHERED
    await counts.write()
    assert await shown(registered) == {"wrong_password": 1}
    assert await registered.execute("XLEN", keys.REFUSALS) <= refusals.LISTED + 200


async def test_refusals_of_made_up_charge_points_are_bounded_too(registered: Store) -> None:
    counts = RefusalCounts(registered, Background())
    for number in range(3 * GATHERED):
        counts.note(ChargePointKeys("acme", f"made up {number}"), "too_many_failures", "192.0.2.7")
    assert len(counts._of_charge_points) == GATHERED
    await counts.write()
    assert await registered.execute("KEYS", "*made up*") == []


async def test_the_refusal_of_a_charge_point_is_written_after_the_answer_and_that_of_a_stranger_later(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """The store sees no difference between a registered and an unknown id while the peer waits."""
    written: list[tuple[float, int]] = []

    async def record(_store: Store, gathered: list[Refusals]) -> None:
        await trio.lowlevel.checkpoint()
        written.append((trio.current_time(), len(gathered)))

    monkeypatch.setattr(refusals, "record", record)
    store: Any = None
    async with trio.open_nursery() as nursery:
        counts = RefusalCounts(store, nursery.start_soon)
        began = trio.current_time()
        assert autojump_clock.rate == 0
        counts.note(None, "unknown_tenant", "192.0.2.7")
        await trio.sleep(10 * SOON_S)
        assert written == []
        counts.note(KEYS, "wrong_password", "192.0.2.7")
        await trio.sleep(SOON_S / 2)
        counts.note(KEYS, "no_password", "192.0.2.7")
        assert written == []
    assert written == [(began + 11 * SOON_S, 2), (began + 11 * SOON_S, 1)]


@pytest.mark.parametrize(("lost", "times"), [("question", 4), ("reply", 1)])
async def test_what_an_absent_store_did_not_get_is_written_later_but_nothing_is_counted_twice(
    registered: Store, lost: str, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, away = refusals.record, True

    async def lose(store: Store, gathered: list[Refusals]) -> None:
        if away:
            raise StoreUnavailable("away", sent=lost == "reply")
        await record(store, gathered)

    monkeypatch.setattr(refusals, "record", lose)
    counts = RefusalCounts(registered, Background())
    for _ in range(3):
        counts.note(KEYS, "wrong_password", "192.0.2.7", "first")
        with pytest.raises(StoreUnavailable):
            await counts.write()
    counts.note(KEYS, "wrong_password", "192.0.2.8", "last")
    away = False
    await counts.write()
    assert await shown(registered) == {"wrong_password": times}
    [found] = await refusals.read(registered, "acme", "CP-1")
    assert (found.address, found.detail) == ("192.0.2.8", "last")


async def test_refusals_because_the_store_is_away_are_listed_when_it_is_back(registered: Store) -> None:
    record, away = refusals.record, True

    async def lose(store: Store, gathered: list[Refusals]) -> None:
        if away:
            raise StoreUnavailable("away")
        await record(store, gathered)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refusals, "record", lose)
        counts = RefusalCounts(registered, Background())
        for _ in range(5):
            counts.note(None, "store_away", "192.0.2.7")
            with pytest.raises(StoreUnavailable):
                await counts.write()
        away = False
        await counts.write()
    [found] = await refusals.list_unknown(registered)
    assert found == Refused(
        reason="store_away", times=5, last_ms=found.last_ms, address="192.0.2.7", detail=""
    )
