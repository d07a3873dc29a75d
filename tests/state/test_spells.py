"""A spell shows that something happens often, and falls by itself."""

import pytest

from state import spells
from state.charge_points import faults
from state.charge_points.faults import FaultBatch, Tally
from state.spells import Rule, Spell
from state.store import Store
from tests.support.leases import KEYS, claimed

RULE = Rule(threshold=3, most=5, leak_ms=1_000)


@pytest.mark.parametrize(
    ("level", "after_ms", "frequent"), [(3, 0, True), (2.9, 0, False), (5, 2_000, True), (5, 2_001, False)]
)
def test_a_spell_is_frequent_until_its_level_has_leaked_below_the_threshold(
    level: float, after_ms: int, *, frequent: bool
) -> None:
    assert Spell(level, 10_000, 1_000).is_frequent(RULE, 10_000 + after_ms) == frequent


def test_a_clock_that_was_set_back_does_not_raise_the_level() -> None:
    assert not Spell(2.9, 10_000, 1_000).is_frequent(RULE, 0)


def test_no_spell_is_read_from_an_absent_field() -> None:
    assert spells.read(None) is None
    assert spells.read(b"2.500 20 10") == Spell(2.5, 20, 10)


async def count(store: Store, times: int, batch: str) -> Spell:
    await faults.count(store, [FaultBatch(KEYS, batch, {"extra_property": Tally(times, 1)})])
    found = spells.read(await store.execute("HGET", KEYS.record, "faulty"))
    assert found is not None
    return found


async def test_the_level_of_a_spell_rises_up_to_its_limit_and_leaks_between_two_events(store: Store) -> None:
    await claimed(store, "a/1")
    first = await count(store, 10, "1")
    assert first.level == 10
    second = await count(store, 20, "2")
    assert 29.9 < second.level <= 30
    assert second.since_ms == first.since_ms
    assert (await count(store, 10_000, "3")).level == spells.FAULTS.most
    # The last event was a day ago, so a hundred have leaked, and the spell has not ended.
    day_ago_ms = store.server_time_ms() - 86_400_000
    await store.execute("HSET", KEYS.record, "faulty", f"200.000 {day_ago_ms} {day_ago_ms}")
    later = await count(store, 1, "4")
    assert 100.9 < later.level <= 101
    assert later.since_ms == day_ago_ms
    # Three days ago: the level has fallen to zero, so the spell begins anew.
    long_ago_ms = day_ago_ms - 2 * 86_400_000
    await store.execute("HSET", KEYS.record, "faulty", f"200.000 {long_ago_ms} {long_ago_ms}")
    anew = await count(store, 1, "5")
    assert anew.level == 1
    assert anew.since_ms == anew.last_ms > day_ago_ms


async def test_a_batch_that_is_repeated_does_not_raise_the_level(store: Store) -> None:
    await claimed(store, "a/1")
    first = await count(store, 10, "1")
    assert await count(store, 10, "1") == first
