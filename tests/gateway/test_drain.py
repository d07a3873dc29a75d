"""A stopping gateway closes its sessions at the right times, by Trio's test clock.

tests/system/test_drain.py tests a whole process."""

from types import SimpleNamespace
from typing import cast

import pytest
import trio
from trio.testing import MockClock

from gateway.config import DrainConfig
from gateway.drain import LAST_WORDS_S, LEAVE_S, SESSIONS_S, TAIL_S, close_sessions, write_rest
from gateway.hub import Hub
from gateway.node import Node
from gateway.refusal_counts import Note
from gateway.websocket.close_codes import Close
from state import charge_points
from state.charge_points import Settings, faults, refusals
from state.keys import ChargePointKeys
from state.nodes import nodes
from state.store import Store
from tests.support.inner_gateway import inner_gateway

WINDOW_S = 20.0


class Stub(SimpleNamespace):
    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)


class Fleet(list[SimpleNamespace]):
    """Sessions that end when they are closed, with the time of each close."""

    def __init__(self) -> None:
        self.closed_at: dict[str, list[float]] = {}

    def add(self, name: str, *, charging: bool = False, mute: bool = False) -> None:
        ended, times = trio.Event(), self.closed_at.setdefault(name, [])

        def close_soon(reason: Close) -> None:
            assert reason is Close.RESTARTING
            times.append(trio.current_time())
            if not mute:
                self.remove(session)
                ended.set()

        memory = SimpleNamespace(charging_at=1 if charging else None)
        session = SimpleNamespace(link=Stub(memory=memory, wait_ended=ended.wait, close_soon=close_soon))
        self.append(session)

    async def drain(self) -> None:
        node = SimpleNamespace(draining=False, stopping=False, moving=None)
        await close_sessions(cast("Node", node), cast("Hub", self), WINDOW_S)
        assert node.draining
        assert node.stopping


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
    assert fleet.closed_at["mute"] == [pytest.approx(began)]
    assert trio.current_time() == pytest.approx(began + WINDOW_S + SESSIONS_S)


@pytest.mark.parametrize("mute", [False, True])
async def test_a_session_that_begins_during_the_drain_is_closed_even_if_another_session_does_not_end(
    autojump_clock: MockClock,
    mute: bool,  # noqa: FBT001  the parameter of the test
) -> None:
    fleet = Fleet()
    fleet.add("first", mute=mute)
    fleet.add("other")
    began = autojump_clock.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fleet.drain)
        await trio.sleep(1)
        fleet.add("late")
    assert fleet.closed_at["late"] == [pytest.approx(began + WINDOW_S / 2)]


class Missing:
    """A store that stays away, so that each step waits until it is cancelled.

    `asked` shows when the store was asked for what."""

    def __init__(self) -> None:
        self.asked: dict[str, float] = {}

    async def wait_until_seen_through(self) -> None:
        await self._wait("answers")

    async def pipeline(self, _commands: object) -> None:
        await self._wait("leases")

    async def _wait(self, what: str) -> None:
        self.asked[what] = trio.current_time()
        await trio.sleep_forever()


@pytest.mark.parametrize("left_s", [LAST_WORDS_S + LEAVE_S, 1000])
async def test_a_drain_with_an_absent_store_ends_after_a_limited_time_and_tries_every_write(
    autojump_clock: MockClock, left_s: float
) -> None:
    store = Missing()
    written: list[float] = []
    node = SimpleNamespace(
        store=store,
        incarnation="n",
        wait_until_seen_through=store.wait_until_seen_through,
        fault_counts=None,
        fact_log=SimpleNamespace(write=lambda: written.append(trio.current_time())),
    )
    began = autojump_clock.current_time()
    await write_rest(cast("Node", node), deadline=began + left_s)
    assert written == [began]  # The log does not wait for the store.
    assert store.asked == pytest.approx({"answers": began, "leases": began + LAST_WORDS_S})
    assert trio.current_time() == pytest.approx(began + LAST_WORDS_S + LEAVE_S)


async def test_a_drain_writes_the_refusals_and_faults_of_the_last_second(
    store: Store, redis_url: str
) -> None:
    keys = ChargePointKeys("t", "cp")
    await charge_points.put(store, "t", "cp", Settings())
    async with inner_gateway(store, redis_url) as gateway:
        note = Note("wrong_password", "192.0.2.7", "t", "cp", keys=keys)
        gateway.node.refusals.note(note)
        gateway.node.count_faults(keys, ["origin"])
        await write_rest(gateway.node, deadline=trio.current_time() + 60)
        assert [one.reason for one in await refusals.read(store, "t", "cp")] == ["wrong_password"]
        assert list(await faults.read(store, "t", "cp")) == ["origin"]


@pytest.mark.parametrize("on_their_way", [False, True])
async def test_a_node_whose_steps_are_still_on_their_way_stays_listed_so_that_others_look_for_its_leases(
    store: Store, redis_url: str, *, on_their_way: bool
) -> None:
    async with inner_gateway(store, redis_url) as gateway:
        node = gateway.node
        await nodes.beat(store, node.incarnation, nodes.describe_process(store, "gateway"))
        if on_their_way:
            node.see_through(trio.sleep_forever)
        await write_rest(node, deadline=trio.current_time() + LEAVE_S + (0.1 if on_their_way else 60))
        assert await nodes.is_known(store, node.incarnation) == on_their_way


def test_the_default_drain_window_and_everything_after_it_fit_a_grace_of_30_seconds() -> None:
    """30 s is the default grace of Kubernetes. A busy machine needs some of it for the exit itself."""
    assert DrainConfig().window_s + TAIL_S <= 30 - 3
    assert f"plus {TAIL_S:g} s" in (DrainConfig.__doc__ or "")
