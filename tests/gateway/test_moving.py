from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest
import trio
from trio.testing import MockClock

from gateway import moving
from gateway.drain import close_sessions
from gateway.hub import Hub
from gateway.node import Node
from gateway.websocket.close_codes import Close
from state.nodes.inbox import Drain, DrainCancelled, Shed, ToGateway

WINDOW_S = 20.0


class Stub(SimpleNamespace):
    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)


class Fleet:
    """A node and its sessions, which end when they are closed. `closed` has the time of each close."""

    def __init__(self, clock: MockClock, size: int = 10) -> None:
        self.closed: dict[str, float] = {}
        self.sessions: dict[str, SimpleNamespace] = {}
        config = SimpleNamespace(drain=SimpleNamespace(window_s=WINDOW_S))
        self.node = SimpleNamespace(config=config, draining=False, stopping=False, moving=None)
        for number in range(size):
            self.add(f"{number}", clock, charging=number % 2 == 0)

    def __iter__(self) -> Iterator[SimpleNamespace]:
        return iter(tuple(self.sessions.values()))

    def __len__(self) -> int:
        return len(self.sessions)

    def add(self, name: str, clock: MockClock, *, charging: bool = False) -> None:
        ended = trio.Event()

        def close_soon(reason: Close) -> None:
            assert reason is (Close.RESTARTING if self.node.stopping else Close.MOVED)
            if self.sessions.pop(name, None) is not None:
                self.closed[name] = clock.current_time()
                ended.set()

        memory = SimpleNamespace(charging_at=1 if charging else None)
        link = Stub(memory=memory, close_soon=close_soon, is_closing=False, ended=ended)
        self.sessions[name] = SimpleNamespace(link=link)

    async def obey(self, order: ToGateway) -> None:
        await moving.obey(cast("Node", self.node), cast("Hub", self), order)

    async def terminate(self) -> None:
        await close_sessions(cast("Node", self.node), cast("Hub", self), WINDOW_S)


@pytest.mark.parametrize(("asked", "window_s"), [(None, WINDOW_S), (5.0, 5.0)])
async def test_a_drained_node_closes_idle_sessions_first_and_charging_ones_last_evenly_over_the_window(
    autojump_clock: MockClock, asked: float | None, window_s: float
) -> None:
    fleet = Fleet(autojump_clock)
    with trio.move_on_after(60):
        await fleet.obey(Drain(asked))
    assert list(fleet.closed) == list("1357902468")
    assert list(fleet.closed.values()) == pytest.approx([window_s * place / 10 for place in range(10)])


async def test_a_drained_node_stays_empty_until_the_drain_is_cancelled(autojump_clock: MockClock) -> None:
    fleet = Fleet(autojump_clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fleet.obey, Drain())
        await trio.sleep(3600)
        assert fleet.node.draining
        fleet.add("admitted late", autojump_clock)
        await trio.sleep(moving.LOOK_S * 2)
        assert "admitted late" in fleet.closed
        await fleet.obey(DrainCancelled())
        assert not fleet.node.draining
        fleet.add("admitted again", autojump_clock)
        await trio.sleep(3600)
        assert list(fleet.sessions) == ["admitted again"]
        assert fleet.node.moving is None


@pytest.mark.parametrize("order", [Drain(), Shed(100.0)])
async def test_a_cancelled_order_closes_no_further_sessions(
    autojump_clock: MockClock, order: ToGateway
) -> None:
    fleet = Fleet(autojump_clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fleet.obey, order)
        await trio.sleep(WINDOW_S / 2 - 0.1)
        await fleet.obey(DrainCancelled())
        await trio.sleep(3600)
    assert len(fleet) == 5


async def test_a_second_drain_replaces_the_first_one(autojump_clock: MockClock) -> None:
    fleet = Fleet(autojump_clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fleet.obey, Drain(36_000.0))
        await trio.sleep(10)
        with trio.move_on_after(60):
            await fleet.obey(Drain(1.0))
        assert len(fleet) == 0


@pytest.mark.parametrize(
    ("percent", "closed"), [(1.0, "1"), (20.0, "13"), (25.0, "135"), (60.0, "135790"), (100.0, "1357902468")]
)
async def test_shedding_closes_a_share_of_the_sessions_once_and_keeps_the_node_open(
    autojump_clock: MockClock, percent: float, closed: str
) -> None:
    fleet = Fleet(autojump_clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fleet.obey, Shed(percent, WINDOW_S))
        await trio.sleep(0.1)
        fleet.add("came back", autojump_clock)
    assert list(fleet.closed) == list(closed)
    times = [WINDOW_S * place / len(closed) for place in range(len(closed))]
    assert list(fleet.closed.values()) == pytest.approx(times)
    assert not fleet.node.draining


async def test_a_draining_node_ignores_an_order_to_shed(autojump_clock: MockClock) -> None:
    fleet = Fleet(autojump_clock, 0)
    fleet.node.draining = True
    fleet.add("one", autojump_clock)
    await fleet.obey(Shed(100.0))
    assert fleet.closed == {}


async def test_a_node_that_got_a_signal_drains_and_obeys_no_order_any_more(autojump_clock: MockClock) -> None:
    fleet = Fleet(autojump_clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fleet.obey, Drain(36_000.0))
        await trio.sleep(1)
        nursery.start_soon(fleet.terminate)
        await trio.sleep(1)
        await fleet.obey(DrainCancelled())
        assert fleet.node.draining
    assert len(fleet) == 0
    assert trio.current_time() < 60
