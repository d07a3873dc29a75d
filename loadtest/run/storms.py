"""Storms: a share of the connections is lost at a time.

Each process cuts its own share. Whether and when a charge point is cut depends only on the seed and on its
number, so the storm is the same however the fleet is divided.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

from loadtest.charge_point.wheel import Wheel
from loadtest.measuring.recording import Recorder
from loadtest.results import Slices, StormReport
from loadtest.scenario.dice import Dice
from loadtest.scenario.model import HowCut, Scenario, Storm
from loadtest.scenario.timeline import Timeline

_LOOK_S = 0.1


class CanBeCut(Protocol):
    """A charge point. `cut` returns False if it has no connection."""

    def cut(self, how: HowCut) -> bool: ...


def find_cuts(storm: Storm, number: int, seed: int, first: int, end: int) -> Iterator[tuple[int, float]]:
    """Return the charge points that a storm cuts, each with the seconds after the begin of the storm.

    `number` is the place of the storm in the scenario.
    """
    for index in range(first, end):
        dice = Dice(seed, index, f"storm {number}")
        if dice.random() < storm.share:
            yield index, storm.within_s * dice.random()


class Storms:
    """The storms of a scenario, as one process has them. `prepare` lets them happen at their times."""

    def __init__(
        self,
        scenario: Scenario,
        timeline: Timeline,
        wheel: Wheel,
        recorder: Recorder,
        charge_points: Callable[[int], CanBeCut],
    ) -> None:
        self._scenario = scenario
        self._timeline = timeline
        self._wheel = wheel
        self._recorder = recorder
        self._charge_points = charge_points
        self._storms: list[_Storm] = []

    def prepare(self, first: int, end: int) -> None:
        for number, storm in enumerate(self._scenario.storms):
            watched = _Storm(storm, self._timeline, self._wheel, self._recorder, self._charge_points)
            watched.prepare(find_cuts(storm, number, self._scenario.seed, first, end))
            self._storms.append(watched)

    def report(self, slices: Slices) -> list[StormReport]:
        """Return a report of each storm that began."""
        return [storm.report(slices) for storm in self._storms if storm.began]


class _Storm:
    """One storm, and the time until as many charge points were accepted as before.

    Fewer count if the scenario lets charge points leave meanwhile.
    """

    def __init__(
        self,
        storm: Storm,
        timeline: Timeline,
        wheel: Wheel,
        recorder: Recorder,
        charge_points: Callable[[int], CanBeCut],
    ) -> None:
        self.began = False
        self._storm = storm
        self._at = timeline.time_of(storm)
        self._timeline = timeline
        self._wheel = wheel
        self._recorder = recorder
        self._charge_points = charge_points
        self._cut = 0
        self._booted = 0
        self._opened = 0
        self._recovered_s: float | None = None

    def prepare(self, cuts: Iterator[tuple[int, float]]) -> None:
        begin = self._recorder.begin + self._at
        self._wheel.at(begin, self._begin)
        for index, after_s in cuts:
            self._wheel.at(begin + after_s, partial(self._cut_one, index))
        # A moment later, so that the last cut is surely before.
        self._look_at(begin + self._storm.within_s + _LOOK_S)

    def report(self, slices: Slices) -> StormReport:
        first = int(self._at / slices.length)
        end = None if self._recovered_s is None else int((self._at + self._recovered_s) / slices.length) + 1
        handshakes = max(slices.handshakes[first:end], default=0)
        return StormReport(
            stage=self._storm.stage,
            at=self._at,
            how=self._storm.how,
            cut=self._cut,
            recovered_s=self._recovered_s,
            handshakes_per_second=handshakes / slices.length,
        )

    def _begin(self) -> None:
        self.began = True
        self._booted = self._recorder.booted
        self._opened = self._count_opened()

    def _cut_one(self, index: int) -> None:
        self._cut += self._charge_points(index).cut(self._storm.how)

    def _look_at(self, at: float) -> None:
        self._wheel.at(at, partial(self._look, at))

    def _look(self, at: float) -> None:
        # A charge point notices the end of its connection a little after the cut, so its new connection has
        # to be seen as well.
        now = at - self._recorder.begin
        stayed = min(1.0, self._timeline.share_at(now) / (self._timeline.share_at(self._at) or 1.0))
        opened = self._count_opened() - self._opened
        if opened >= int(self._cut * stayed) and self._recorder.booted >= int(self._booted * stayed):
            self._recovered_s = now - self._at
        else:
            self._look_at(at + _LOOK_S)

    def _count_opened(self) -> int:
        return sum(stage.counts["connections"] for stage in self._recorder.stages)
