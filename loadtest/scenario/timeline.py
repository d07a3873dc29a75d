"""When the stages of a scenario are, who is connected in them, and how much work they ask for."""

from bisect import bisect_right
from itertools import accumulate, pairwise

from loadtest.scenario.model import Scenario, Stage, StageSpan, When


class Timeline:
    """The stages of a scenario in seconds since the common start of the run.

    *Work time* runs at the speed of the rate of arrivals: twice as fast in a spike with rate 2, and not at
    all in a stage without arrivals. An arrival process that is even in work time thus follows each spike.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._stages = scenario.stages
        edges = list(accumulate((stage.seconds for stage in scenario.stages), initial=0.0))
        self._begins = edges[:-1]
        self.seconds = edges[-1]
        self.spans = tuple(
            StageSpan(stage.name, begin, end)
            for stage, (begin, end) in zip(scenario.stages, pairwise(edges), strict=True)
        )
        self.rates = [0.0 if stage.in_sequence else stage.rate for stage in scenario.stages]
        """The factors of the rates of arrivals, by stage."""
        self._work = list(
            accumulate(
                (stage.seconds * rate for stage, rate in zip(scenario.stages, self.rates, strict=True)),
                initial=0.0,
            )
        )
        self.sequences = [
            (span, stage.in_sequence)
            for span, stage in zip(self.spans, scenario.stages, strict=True)
            if stage.in_sequence
        ]
        """The stages in which charge points send calls in sequence, with the number of calls."""
        least = 1 / scenario.fleet.charge_points
        self.shares = [0.0]
        """The shares of connected charge points before the first stage and at the end of each one."""
        for stage in scenario.stages:
            asked = self.shares[-1] if stage.connected is None else stage.connected
            self.shares.append(max(asked, least) if asked else 0.0)

    def place_at(self, at: float) -> int:
        """Return the place of a stage: the first one before the run, and the last one after it."""
        return max(0, bisect_right(self._begins, at) - 1)

    def stage_at(self, at: float) -> str:
        """Return the name of the stage at `place_at`."""
        return self._stages[self.place_at(at)].name

    def time_of(self, when: When) -> float:
        return next(span.begin for span in self.spans if span.name == when.stage) + when.after_s

    def share_at(self, at: float) -> float:
        """Return the share of the charge points that is connected."""
        place = self.place_at(at)
        before, after = self.shares[place : place + 2]
        if not _moves_slowly(self._stages[place]):
            return after
        part = (at - self._begins[place]) / self._stages[place].seconds
        return before + (after - before) * min(1.0, max(0.0, part))

    def average_share(self, place: int) -> float:
        """Return the share of the charge points that is connected in a stage, on average."""
        before, after = self.shares[place : place + 2]
        return (before + after) / 2 if _moves_slowly(self._stages[place]) else after

    def presence(self, rank: float) -> list[tuple[float, bool]]:
        """Return the times at which the charge point of a rank, 0 to 1, connects (True) and leaves (False).

        A charge point is connected while its rank is below the share of that time.
        """
        changes = []
        for place, stage in enumerate(self._stages):
            before, after = self.shares[place : place + 2]
            if (rank < before) != (rank < after):
                part = (rank - before) / (after - before) if _moves_slowly(stage) else 0.0
                changes.append((self._begins[place] + part * stage.seconds, rank < after))
        return changes

    def windows(self, rank: float) -> tuple[tuple[float, float], ...]:
        """Return the times at which it connects, each with that of leaving or of the end of the run."""
        changes = iter([at for at, _ in self.presence(rank)] + [self.seconds])
        return tuple(zip(changes, changes, strict=False))

    def rate_at(self, at: float) -> float:
        """Return the factor of the rates of arrivals."""
        return self.rates[self.place_at(at)]

    def work_at(self, at: float) -> float:
        place = self.place_at(at)
        return self._work[place] + (at - self._begins[place]) * self.rates[place]

    def time_of_work(self, work: float) -> float:
        """Return the time at which this much work time has passed, or infinity if it never does."""
        if work >= self._work[-1]:
            return float("inf")
        place = bisect_right(self._work, work) - 1
        return self._begins[place] + (work - self._work[place]) / self.rates[place]


def _moves_slowly(stage: Stage) -> bool:
    return stage.kind == "ramp"
