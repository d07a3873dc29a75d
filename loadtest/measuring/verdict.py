"""The verdict on a run: its thresholds, whether it is valid, and its exit code."""

from collections.abc import Collection
from typing import Final, Literal

from msgspec import Struct

from loadtest.measuring.generator import find_invalid
from loadtest.measuring.measures import (
    COUNTERS,
    LIVE,
    Missing,
    ResultsSource,
    SnapshotSource,
    Source,
    describe,
    value_of,
    wanted_of,
)
from loadtest.measuring.recording import Snapshot
from loadtest.results import Clock, Judged, Results, What
from loadtest.scenario.model import Scenario, Threshold

type Reason = Literal["interrupted", "configuration", "invalid", "violation", "threshold"]
EXIT_CODES: Final[dict[Reason, int]] = {
    "interrupted": 130,
    "configuration": 2,
    "invalid": 3,
    "violation": 4,
    "threshold": 99,
}
"""The first reason that holds gives the exit code. It is 0 if none holds."""


class Verdict(Struct, frozen=True, kw_only=True):
    judged: tuple[Judged, ...]
    invalid: tuple[str, ...]
    exit_code: int


def find_exit_code(reasons: Collection[Reason]) -> int:
    return next((code for reason, code in EXIT_CODES.items() if reason in reasons), 0)


def judge(results: Results) -> Verdict:
    """Judge a run by its scenario. Raises BadHistogram."""
    source = ResultsSource(results)
    judged = tuple(_judge(threshold, source) for threshold in results.scenario.thresholds)
    found = find_invalid(results.scenario.generator, results.generator, results.stage_counts)
    invalid = tuple(dict.fromkeys([*results.invalid, *found]))
    reasons: set[Reason] = set()
    if results.ended == "interrupted":
        reasons.add("interrupted")
    if invalid:
        reasons.add("invalid")
    if source.violations():
        reasons.add("violation")
    if results.ended == "aborted" or is_unanswered(results) or not all(each.passed for each in judged):
        reasons.add("threshold")
    return Verdict(judged=judged, invalid=invalid, exit_code=find_exit_code(reasons))


def is_unanswered(results: Results) -> bool:
    """Return whether no call was answered. Such a run fails even if it has no thresholds."""
    return not results.counts["calls"]


def conclude(results: Results) -> Verdict:
    """Judge a run, and write the verdict into its results. Raises BadHistogram."""
    verdict = judge(results)
    results.judged = list(verdict.judged)
    results.invalid = list(verdict.invalid)
    results.exit_code = verdict.exit_code
    return verdict


class LiveJudge:
    """Judges a run once a second, and says when it should end early.

    A bound must have been missed at each look for its `abort_after_s`. A threshold without a measurement is
    neither met nor missed until the run has ended.
    """

    def __init__(self, scenario: Scenario, charge_points: int) -> None:
        self._scenario = scenario
        self._charge_points = charge_points
        self._missed_since: dict[int, float] = {}
        self._thresholds = [
            (number, threshold, threshold.abort_after_s)
            for number, threshold in enumerate(scenario.thresholds)
            if threshold.abort_after_s is not None and threshold.measure in LIVE
        ]

    @property
    def wanted(self) -> list[tuple[What, str | None, str | None, Clock]]:
        """The histograms that snapshots must have."""
        return [wanted_of(threshold, self._scenario) for _, threshold, _ in self._thresholds]

    def look(self, at: float, snapshot: Snapshot) -> str | None:
        """Return why the run should end now, or None. `at` is in seconds since the begin of the run."""
        source = SnapshotSource(self._scenario, self._charge_points, snapshot)
        for number, threshold, after_s in self._thresholds:
            value = _live_value(threshold, source)
            if value is None or _passes(threshold, value, live=True):
                self._missed_since.pop(number, None)
            elif at - self._missed_since.setdefault(number, at) >= after_s:
                return f"{describe(threshold, value)}, and was missed for {after_s:g} s"
        return None


def _judge(threshold: Threshold, source: Source) -> Judged:
    try:
        value = float(value_of(threshold, source))
    except Missing as missing:
        return Judged(
            threshold=threshold, words=describe(threshold, None, str(missing)), value=None, passed=False
        )
    passed = _passes(threshold, value)
    return Judged(threshold=threshold, words=describe(threshold, value), value=value, passed=passed)


def _live_value(threshold: Threshold, source: Source) -> float | None:
    try:
        return value_of(threshold, source)
    except Missing:
        return None


def _passes(threshold: Threshold, value: float, *, live: bool = False) -> bool:
    """A counter that has yet to reach its least number has not missed it while the run goes on."""
    if (
        threshold.least is not None
        and value < threshold.least
        and not (live and threshold.measure in COUNTERS)
    ):
        return False
    return threshold.most is None or value <= threshold.most
