"""Periodic work goes on after errors."""

import random
from itertools import pairwise

import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from state.errors import StoreUnavailable
from state.timers import JITTER, every, vary


async def test_work_is_repeated_after_an_error_and_the_error_is_logged(autojump_clock: MockClock) -> None:
    calls: list[float] = []

    async def fail_first(name: str) -> None:
        assert name == "argument"
        calls.append(autojump_clock.current_time())
        if len(calls) == 1:
            raise StoreUnavailable("away")
        if len(calls) == 2:
            raise KeyError("defect")
        await trio.lowlevel.checkpoint()

    began = autojump_clock.current_time()
    with capture_logs() as logs, trio.move_on_after(100):
        await every(10, "work", fail_first, "argument")
    events = [entry["event"] for entry in logs]
    assert events == ["housekeeping.turn_abandoned", "housekeeping.turn_failed"]
    pauses = [after - before for before, after in pairwise(calls)]
    assert calls[0] - began <= 10
    assert all(10 * (1 - JITTER) <= pause <= 10 * (1 + JITTER) for pause in pauses)
    assert len(set(pauses)) > 1  # The pauses differ, so nodes that start together drift apart.


def test_jitter_neither_uses_nor_follows_the_generator_of_the_process() -> None:
    before = random.getstate()
    found = []
    for _ in range(8):
        random.seed(0)
        found.append(vary(10))
    assert len(set(found)) > 1
    seeded = random.getstate()
    vary(10)
    assert random.getstate() == seeded
    random.setstate(before)
