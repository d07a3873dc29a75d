"""A stopping gateway closes its sessions at the right times, by Trio's test clock.

tests/system/test_drain.py tests a whole process."""

from types import SimpleNamespace
from typing import cast

import pytest
import trio
from trio.testing import MockClock

from gateway.drain import CLOSE_S, drain
from gateway.hub import Hub
from gateway.node import Node
from gateway.websocket.close_codes import Close

WINDOW_S = 20.0


class Fleet(list[SimpleNamespace]):
    """Sessions that end when they are closed, with the time of each close."""

    def __init__(self) -> None:
        self.closed_at: dict[str, list[float]] = {}
        self.written = False

    def add(self, name: str, *, charging: bool = False, mute: bool = False) -> None:
        ended, times = trio.Event(), self.closed_at.setdefault(name, [])

        def close_soon(reason: Close) -> None:
            assert reason is Close.RESTARTING
            times.append(trio.current_time())
            if not mute:
                self.remove(session)
                ended.set()

        memory = SimpleNamespace(charging_at=1 if charging else None)
        session = SimpleNamespace(link=SimpleNamespace(memory=memory, ended=ended, close_soon=close_soon))
        self.append(session)

    async def write(self) -> None:
        self.written = True

    async def drain(self) -> None:
        node = SimpleNamespace(
            draining=False, wait_until_seen_through=trio.lowlevel.checkpoint, fault_counts=self
        )
        await drain(cast("Node", node), cast("Hub", self), WINDOW_S)
        assert node.draining
        assert self.written


async def test_the_drain_spreads_its_close_frames_evenly_and_closes_idle_sessions_before_charging_ones(
    autojump_clock: MockClock,
) -> None:
    fleet = Fleet()
    for number in range(10):
        fleet.add(f"{number}", charging=number % 2 == 0)
    began = autojump_clock.current_time()
    await fleet.drain()
    for place, name in enumerate("1357902468"):
        assert fleet.closed_at[name] == [pytest.approx(began + WINDOW_S * place / 10)]
    assert trio.current_time() < began + WINDOW_S


async def test_a_session_that_does_not_end_does_not_delay_the_drain_of_the_other_sessions(
    autojump_clock: MockClock,
) -> None:
    fleet = Fleet()
    fleet.add("mute", mute=True)
    fleet.add("other")
    began = autojump_clock.current_time()
    await fleet.drain()
    assert fleet.closed_at["other"] == [pytest.approx(began + WINDOW_S / 2)]
    # A session that is still there after the window is closed again, as if it had been admitted in the drain.
    assert fleet.closed_at["mute"] == [pytest.approx(began), pytest.approx(began + WINDOW_S + CLOSE_S)]
    assert trio.current_time() == pytest.approx(began + WINDOW_S + 2 * CLOSE_S)


async def test_a_session_that_begins_during_the_drain_is_closed_too(autojump_clock: MockClock) -> None:
    fleet = Fleet()
    fleet.add("first")
    fleet.add("second")
    began = autojump_clock.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fleet.drain)
        await trio.sleep(1)
        fleet.add("late")
    assert fleet.closed_at["late"] == [pytest.approx(began + WINDOW_S / 2)]
