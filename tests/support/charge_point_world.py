"""Charge points of the load test with a real wheel, real sockets and a scenario, and what they recorded."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any

import trio
from trio.testing import MockClock

from loadtest.charge_point.charge_point import ChargePoint
from loadtest.charge_point.connecting import Access, Connector
from loadtest.charge_point.wheel import Wheel
from loadtest.charge_point.world import World
from loadtest.history import Journal
from loadtest.scenario.model import Fleet, Group, Scenario, Stage
from loadtest.scenario.population import charge_point_id, id_tag_of
from loadtest.scenario.timeline import Timeline


def jumping[**P](test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run a test by a clock that jumps whenever all tasks wait, so that hours take no time."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        trio.run(partial(test, *args, **kwargs), clock=MockClock(autojump_threshold=0))

    return run


class Notes:
    """A recorder and checks that keep everything."""

    def __init__(self) -> None:
        self.connected = 0
        self.booted = 0
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.phases: list[str] = []
        self.sends: list[tuple[float, float, bool]] = []
        self.answers: list[tuple[str, float, float, float]] = []
        self.deliveries: list[tuple[str, float, float]] = []
        self.failures: list[tuple[str, str]] = []
        self.unmatched_ids: list[str] = []
        self.refusals: list[tuple[str, str]] = []
        self.commands: list[str] = []
        self.values: list[int] = []

    def sent(self, intended: float, sent: float, *, free: bool) -> None:
        self.sends.append((intended, sent, free))

    def answered(self, action: str, intended: float, sent: float, answered: float) -> None:
        self.answers.append((action, intended, sent, answered))

    def delivered(self, action: str, written: float, answered: float) -> None:
        self.deliveries.append((action, written, answered))

    def failed(self, action: str, why: str) -> None:
        self.failures.append((action, why))

    def phase(self, phase: str, seconds: float) -> None:
        assert seconds >= 0
        self.phases.append(phase)

    def count(self, name: str, more: int = 1) -> None:
        self.counts[name] += more

    def error(self, words: str) -> None:
        self.errors[words] += 1


class Marks(Notes):
    """The checks. They are an object of their own, because both have a method `error`."""

    def answer(self, charge_point: str, message_id: str, action: str, payload: bytes) -> None:
        self.counts[f"{charge_point} {action}"] += bool(message_id and payload)

    def unmatched(self, _charge_point: str, message_id: str) -> None:
        self.unmatched_ids.append(message_id)

    def error(self, _charge_point: str, action: str, code: str, _description: str) -> None:  # type: ignore[override]
        self.refusals.append((action, code))

    def command_received(self, _charge_point: str, _message_id: str, action: str) -> None:
        self.commands.append(action)

    def value_sent(self, _charge_point: str, transaction: int, _timestamp: str) -> None:
        self.values.append(transaction)


class ClockAlarm:
    """An alarm of the wheel that rings by Trio's clock, so that tests may move it."""

    def __init__(self, start_soon: Callable[..., object]) -> None:
        self._start_soon = start_soon
        self._sleep = trio.CancelScope()

    def open(self, ring: Callable[[], None]) -> None:
        self._ring = ring

    def set(self, seconds: float) -> None:
        self.close()
        self._sleep = trio.CancelScope()
        self._start_soon(self._wait, seconds, self._sleep)

    async def _wait(self, seconds: float, sleep: trio.CancelScope) -> None:
        with sleep:
            await trio.sleep(max(0.0, seconds))
            self._ring()

    def close(self) -> None:
        self._sleep.cancel()


class Town:
    """`one` is the first charge point."""

    def __init__(self, world: World, notes: Notes, marks: Marks, fleet: list[ChargePoint]) -> None:
        self.world = world
        self.notes = notes
        self.marks = marks
        self.fleet = fleet
        self.one = fleet[0]


def scenario(*groups: Group, seconds: float = 86_400.0, charge_points: int = 1, **more: Any) -> Scenario:
    """Make a scenario whose charge points all connect at once and stay."""
    stages = more.pop("stages", (Stage(name="all", kind="step", seconds=seconds, connected=1.0),))
    fleet = more.pop("fleet", Fleet(charge_points=charge_points))
    return Scenario(name="test", groups=groups, stages=stages, fleet=fleet, **more)


@asynccontextmanager
async def town(url: str, plan: Scenario, journal: Path | None = None, **access: Any) -> AsyncIterator[Town]:
    """Let the charge points of a scenario live until the end of the block."""
    notes, marks = Notes(), Marks()
    lines = None if journal is None else Journal(journal)
    try:
        async with trio.open_nursery() as nursery:
            wheel = Wheel(ClockAlarm(nursery.start_soon))
            connector = Connector(
                lambda _index, id_: Access(url.replace("{id}", id_), **access),
                nursery.start_soon,
                plan.fleet.connect_s,
            )
            world = World(
                scenario=plan,
                timeline=Timeline(plan),
                begin=trio.current_time(),
                wheel=wheel,
                recorder=notes,
                checks=marks,
                journal=lines,
                connect=connector.connect,
                start_soon=nursery.start_soon,
                id_of=lambda index: charge_point_id(plan, index),
                id_tag_of=lambda index: id_tag_of(plan, index),
            )
            fleet = [ChargePoint(index, world) for index in range(plan.fleet.charge_points)]
            for one in fleet:
                one.begin()
            nursery.start_soon(wheel.run)
            yield Town(world, notes, marks, fleet)
            nursery.cancel_scope.cancel()
    finally:
        if lines is not None:
            lines.close()
