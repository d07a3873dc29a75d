"""Work that goes through all partitions visits each of them in each period, and goes on after errors."""

from collections.abc import Sequence
from itertools import pairwise

import trio
from trio.testing import MockClock

from gateway.timers import visit
from state.errors import StoreUnavailable
from state.keys import PARTITIONS
from state.timers import JITTER


async def test_every_partition_is_visited_once_in_each_period_a_few_at_a_time(
    autojump_clock: MockClock,
) -> None:
    for period_s in (1, 5, 10, 300):
        visits: list[int] = []

        async def note(partitions: Sequence[int]) -> None:
            visits.extend(partitions)  # noqa: B023  Called only in this round of the loop.
            await trio.lowlevel.checkpoint()

        began = autojump_clock.current_time()
        with trio.move_on_after(period_s * 1.2):
            await visit(period_s, "visit", note)
        assert autojump_clock.current_time() - began >= period_s
        assert sorted(visits[:PARTITIONS]) == list(range(PARTITIONS))
        assert len(visits) <= PARTITIONS * 1.4 + 1
        with trio.move_on_after(period_s * 0.5):
            visits.clear()
            await visit(period_s, "visit", note)
        assert len(visits) <= PARTITIONS * 0.65 or period_s == 1


async def test_turns_that_come_more_seldom_visit_more_partitions_each(autojump_clock: MockClock) -> None:
    turns: list[tuple[float, int]] = []

    async def note(partitions: Sequence[int]) -> None:
        turns.append((autojump_clock.current_time(), len(partitions)))
        await trio.lowlevel.checkpoint()

    with trio.move_on_after(300 * 1.2):
        await visit(300, "visit", note, 10)
    assert {count for _, count in turns[:28]} == {9}  # 256 partitions in 300 s
    assert all(after - before >= 10 * (1 - JITTER) for (before, _), (after, _) in pairwise(turns[:28]))


async def test_a_partition_whose_visit_failed_is_visited_again_in_the_next_turn(
    autojump_clock: MockClock,
) -> None:
    turns: list[tuple[int, ...]] = []

    async def fail_twice(partitions: Sequence[int]) -> None:
        turns.append(tuple(partitions))
        if len(turns) <= 2:
            raise StoreUnavailable("away")
        await trio.lowlevel.checkpoint()

    with trio.move_on_after(5):
        await visit(10, "visit", fail_twice)
    assert turns[1][: len(turns[0])] == turns[0]
    assert turns[2][: len(turns[1])] == turns[1]
    assert not set(turns[2]) & set(turns[3])
    assert autojump_clock.current_time() >= 5
