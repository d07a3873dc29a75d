"""The timer wheel, with a clock that the tests move."""

from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from loadtest.charge_point.wheel import Wheel
from tests.support.charge_point_world import ClockAlarm
from tests.support.waiting import GENEROUS_S


def open_timers() -> int:
    timers = 0
    for file in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # The descriptor of this very listing.
            timers += "timerfd" in str(file.readlink())
    return timers


async def test_callbacks_come_in_the_order_of_their_times_and_not_before_them(
    autojump_clock: MockClock,
) -> None:
    called: list[float] = []
    now = trio.current_time()

    def note(due: float) -> None:
        called.append(due)
        assert trio.current_time() >= now + due

    async with trio.open_nursery() as nursery:
        wheel = Wheel(ClockAlarm(nursery.start_soon))
        for due in (5.0, 1.0, 3.0, 1.0, -2.0):
            wheel.at(now + due, partial(note, due))
        nursery.start_soon(wheel.run)
        await trio.sleep(2)
        assert called == [-2.0, 1.0, 1.0]
        wheel.at(now + 2.5, partial(note, 2.5))  # Earlier than what the wheel sleeps for.
        await trio.sleep(8)
        nursery.cancel_scope.cancel()
    assert called == [-2.0, 1.0, 1.0, 2.5, 3.0, 5.0]
    assert autojump_clock.current_time() >= now + 10


async def test_a_cancelled_callback_is_not_called_and_may_be_cancelled_again(
    autojump_clock: MockClock,
) -> None:
    called: list[str] = []
    async with trio.open_nursery() as nursery:
        wheel = Wheel(ClockAlarm(nursery.start_soon))
        gone = wheel.at(1.0, lambda: called.append("gone"))
        done = wheel.at(1.0, lambda: called.append("done"))
        wheel.cancel(gone)
        wheel.cancel(gone)
        nursery.start_soon(wheel.run)
        await trio.sleep(2)
        nursery.cancel_scope.cancel()
    wheel.cancel(done)
    assert called == ["done"]
    assert autojump_clock.current_time() >= 2


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=300))
def test_whatever_is_cancelled_the_others_are_called_in_their_order(
    entries: list[tuple[float, bool]],
) -> None:
    async def run() -> None:
        called: list[float] = []
        async with trio.open_nursery() as nursery:
            wheel = Wheel(ClockAlarm(nursery.start_soon))
            made = [wheel.at(due, partial(called.append, due)) for due, _ in entries]
            for entry, (_, keep) in zip(made, entries, strict=True):
                if not keep:
                    wheel.cancel(entry)
            nursery.start_soon(wheel.run)
            await trio.sleep(101)
            nursery.cancel_scope.cancel()
        assert called == sorted(due for due, keep in entries if keep)
        assert len(wheel) == 0

    trio.run(run, clock=MockClock(autojump_threshold=0))


def test_cancelled_entries_do_not_pile_up() -> None:
    wheel = Wheel()
    kept = [wheel.at(1e6, print) for _ in range(10)]
    for _ in range(20_000):
        wheel.cancel(wheel.at(1e6, print))
    assert len(wheel) < 5_000
    assert all(entry.callback is not None for entry in kept)


async def test_the_wheel_says_once_how_late_its_latest_callback_was(mock_clock: MockClock) -> None:
    called: list[float] = []
    async with trio.open_nursery() as nursery:
        wheel = Wheel(ClockAlarm(nursery.start_soon))
        for due in (1.0, 2.0):
            wheel.at(due, partial(called.append, due))
        nursery.start_soon(wheel.run)
        mock_clock.jump(4.0)
        with trio.move_on_after(GENEROUS_S):
            while len(called) < 2:
                await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert wheel.take_lateness() == pytest.approx(3.0)
    assert wheel.take_lateness() == 0.0


async def test_the_timer_of_linux_rings_in_order_and_never_before_its_time() -> None:
    wheel, called, done = Wheel(), [], trio.Event()
    now = trio.current_time()

    def note(due: float) -> None:
        called.append(due)
        assert trio.current_time() >= now + due

    for due in (0.05, 0.01, -1.0):
        wheel.at(now + due, partial(note, due))
    with trio.fail_after(GENEROUS_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wheel.run)
            await wait_all_tasks_blocked()
            wheel.at(now + 0.06, done.set)
            wheel.at(now + 0.02, partial(note, 0.02))  # Earlier than what the timer is set to.
            await done.wait()
            wheel.at(trio.current_time() + 3_600, print)
            nursery.cancel_scope.cancel()
    assert called == [-1.0, 0.01, 0.02, 0.05]


async def test_what_a_callback_raises_ends_the_wheel_and_its_timer() -> None:
    wheel = Wheel()

    def fail() -> None:
        raise LookupError("the callback")

    wheel.at(trio.current_time(), fail)
    with trio.fail_after(GENEROUS_S), pytest.raises(LookupError, match="the callback"):
        await wheel.run()
    assert open_timers() == 0


async def test_other_tasks_get_their_turn_while_callbacks_are_due_without_end() -> None:
    wheel, turns = Wheel(), []

    def again() -> None:
        wheel.at(trio.current_time(), again)

    again()
    with trio.fail_after(GENEROUS_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wheel.run)
            for _ in range(3):
                began = trio.current_time()
                await trio.lowlevel.checkpoint()
                turns.append(trio.current_time() - began)
            nursery.cancel_scope.cancel()
    assert len(turns) == 3
