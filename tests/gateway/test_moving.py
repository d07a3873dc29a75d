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

    def __init__(self, clock: MockClock, nursery: trio.Nursery, size: int = 10) -> None:
        self.closed: dict[str, float] = {}
        self.sessions: dict[str, SimpleNamespace] = {}
        config = SimpleNamespace(drain=SimpleNamespace(window_s=WINDOW_S))
        self.node = SimpleNamespace(
            config=config, draining=False, stopping=False, moving=None, background=nursery.start_soon
        )
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
        link = Stub(memory=memory, close_soon=close_soon, is_closing=False, wait_ended=ended.wait)
        self.sessions[name] = SimpleNamespace(link=link)

    def obey(self, order: ToGateway) -> None:
        moving.obey(cast("Node", self.node), cast("Hub", self), order)

    async def terminate(self) -> None:
        await close_sessions(cast("Node", self.node), cast("Hub", self), WINDOW_S)


@pytest.mark.parametrize(("asked", "window_s"), [(None, WINDOW_S), (5.0, 5.0)])
async def test_a_drained_node_closes_idle_sessions_first_and_charging_ones_last_evenly_over_the_window(
    autojump_clock: MockClock, nursery: trio.Nursery, asked: float | None, window_s: float
) -> None:
    fleet = Fleet(autojump_clock, nursery)
    fleet.obey(Drain(asked))
    await trio.sleep(60)
    assert list(fleet.closed) == list("1357902468")
    assert list(fleet.closed.values()) == pytest.approx([window_s * place / 10 for place in range(10)])


async def test_a_drained_node_stays_empty_until_the_drain_is_cancelled(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    fleet = Fleet(autojump_clock, nursery)
    fleet.obey(Drain())
    await trio.sleep(3600)
    assert fleet.node.draining
    fleet.add("admitted late", autojump_clock)
    await trio.sleep(moving.LOOK_S * 2)
    assert "admitted late" in fleet.closed
    fleet.obey(DrainCancelled())
    assert not fleet.node.draining
    fleet.add("admitted again", autojump_clock)
    await trio.sleep(3600)
    assert list(fleet.sessions) == ["admitted again"]
    assert fleet.node.moving is None


@pytest.mark.parametrize("order", [Drain(), Shed(100.0)])
async def test_a_cancelled_order_closes_no_further_sessions(
    autojump_clock: MockClock, nursery: trio.Nursery, order: ToGateway
) -> None:
    fleet = Fleet(autojump_clock, nursery)
    fleet.obey(order)
    await trio.sleep(WINDOW_S / 2 - 0.1)
    fleet.obey(DrainCancelled())
    await trio.sleep(3600)
    assert len(fleet) == 5


async def test_a_second_drain_replaces_the_first_one(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    fleet = Fleet(autojump_clock, nursery)
    fleet.obey(Drain(36_000.0))
    await trio.sleep(10)
    fleet.obey(Drain(1.0))
    await trio.sleep(60)
    assert len(fleet) == 0


@pytest.mark.parametrize(
    ("percent", "closed"), [(1.0, "1"), (20.0, "13"), (25.0, "135"), (60.0, "135790"), (100.0, "1357902468")]
)
async def test_shedding_closes_a_share_of_the_sessions_once_and_keeps_the_node_open(
    autojump_clock: MockClock, nursery: trio.Nursery, percent: float, closed: str
) -> None:
    fleet = Fleet(autojump_clock, nursery)
    fleet.obey(Shed(percent, WINDOW_S))
    await trio.sleep(0.1)
    fleet.add("came back", autojump_clock)
    await trio.sleep(WINDOW_S)
    assert list(fleet.closed) == list(closed)
    times = [WINDOW_S * place / len(closed) for place in range(len(closed))]
    assert list(fleet.closed.values()) == pytest.approx(times)
    assert not fleet.node.draining
    assert fleet.node.moving is None


async def test_a_draining_node_ignores_an_order_to_shed_and_goes_on_to_drain(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    fleet = Fleet(autojump_clock, nursery)
    fleet.obey(Drain())
    await trio.sleep(WINDOW_S / 2)
    fleet.obey(Shed(100.0))
    await trio.sleep(0.1)
    assert len(fleet.closed) == 6
    await trio.sleep(WINDOW_S)
    assert len(fleet) == 0


@pytest.mark.parametrize("turn", range(20))
async def test_orders_that_are_read_together_count_in_their_sequence(
    autojump_clock: MockClock, nursery: trio.Nursery, turn: int
) -> None:
    """Trio runs tasks that begin together in any order, so several turns are needed."""
    orders: list[ToGateway] = [Drain(1.0), DrainCancelled()]
    fleet = Fleet(autojump_clock, nursery)
    for order in orders if turn % 2 else reversed(orders):
        fleet.obey(order)
    await trio.sleep(10)
    assert (fleet.node.draining, len(fleet)) == ((False, 10) if turn % 2 else (True, 0))


async def test_a_node_that_got_a_signal_drains_and_obeys_no_order_any_more(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    fleet = Fleet(autojump_clock, nursery)
    fleet.obey(Drain(36_000.0))
    await trio.sleep(1)
    nursery.start_soon(fleet.terminate)
    await trio.sleep(1)
    fleet.obey(DrainCancelled())
    assert fleet.node.draining
    await trio.sleep(60)
    assert len(fleet) == 0
