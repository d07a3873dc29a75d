"""The measures that thresholds judge.

| Measure | Value | of | live |
|---|---|---|---|
| `mean` | mean latency, in seconds | yes | yes |
| `p50`, `p90`, `p95`, `p99`, `p999` | percentile of the latencies, in seconds | yes | yes |
| `max` | greatest latency, in seconds | yes | yes |
| `calls` | answered calls; with `of`, these calls, phases or commands | yes | yes |
| `errors` | everything that is counted as an error; with `of`, failed calls or commands | yes | yes |
| `error_share` | failed calls of all calls that ended, or failed commands of all, 0 to 1 | yes | yes |
| `late` | calls and commands that were sent more than 0.1 s after their intended time | | yes |
| `dropped` | calls and commands that were never sent, because too many others waited | | yes |
| `unanswered` | calls that got no answer within `answer_s` | | yes |
| `connected_share` | connected charge points of those that should be, 0 to 1 | | yes |
| `refused` | handshakes that the central system refused | | yes |
| `reconnects` | connections of charge points that had lost one before | | yes |
| `recovery_s` | time until the fleet recovered from a storm, in seconds; the longest | | |
| `violations` | violations of correctness and findings of the history, of the whole run | | yes |
| `growth_share` | growth of the mean latency in a soak; the greatest of all soaks | | |

A measure is of a stage if the threshold names one, and else of the whole run. `of` is an action of the
charge points, a phase of the connection, or the action of one of the scenario's commands, which comes before
an action of the same name. A threshold with `of` is missed if its measure has no mark under *of*. The
measures under *live* can end a run early (`abort_after_s`). They are judged once a second, of all that was
measured until then. The numbers of events among them are then judged only against `most`.

A latency counts from the intended time of a send (`clock = "corrected"`) or from the send (`"service"`).
Phases and commands have one clock. A percentile is the least latency that at least so many of all did not
exceed. A failed call got a CALLERROR or no answer, and has no latency. A failed command had an outcome that
the scenario does not expect, and has a latency too. Errors are failed calls and commands, refused and failed
connections, and lost connections.

`connected_share` of a hold, a spike or a soak is the least at the end of any of its slices, and of a ramp or
a step that at its end. Without a stage it is that of the last stage. A fleet has recovered when as many
charge points are accepted as before the storm. The growth of a soak is the mean corrected latency in its
last quarter, divided by that in its first quarter, minus one.

A number of events is 0 if there were none, but only in a stage that began, and with `of` only if there were
such calls or commands. Everything else has no value without a measurement. Then the threshold was missed.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, get_args

from loadtest.measuring.histograms import Distribution
from loadtest.measuring.recording import Snapshot
from loadtest.results import Clock, Phase, Results, What
from loadtest.scenario.model import Measure, Scenario, Stage, Threshold

PHASES: Final = frozenset(get_args(Phase.__value__))
PERCENTILES: Final[Mapping[Measure, float]] = {"p50": 50, "p90": 90, "p95": 95, "p99": 99, "p999": 99.9}
LATENCIES: Final = frozenset({"mean", *PERCENTILES, "max"})
COUNTERS: Final = frozenset(
    {"calls", "errors", "late", "dropped", "unanswered", "refused", "reconnects", "violations"}
)
WITH_OF: Final = LATENCIES | {"calls", "errors", "error_share"}
LIVE: Final = LATENCIES | COUNTERS | {"error_share", "connected_share"}
_SECONDS: Final = LATENCIES | {"recovery_s"}
_SHARES: Final = frozenset({"error_share", "connected_share", "growth_share"})
_MOVING: Final = frozenset({"ramp", "step"})
_EDGE_S: Final = 0.01
"""A stage may begin so much earlier or later than a slice and still have it wholly."""


class Missing(Exception):  # noqa: N818  it says what happened
    """There is no value; the text says why."""


class Source(Protocol):
    """What measures are computed of: results, or a snapshot of a run."""

    scenario: Scenario

    def distribution(self, what: What, name: str | None, stage: str | None, clock: Clock) -> Distribution: ...

    def began(self, stage: str) -> bool: ...

    def count(self, name: str, stage: str | None) -> int: ...

    def violations(self) -> int: ...

    def connected_share(self, stage: str | None) -> float:
        """Return the share. Raises Missing."""
        ...

    def recovery_s(self, stage: str | None) -> float:
        """Return the time. Raises Missing."""
        ...

    def growth_share(self, stage: str | None) -> float:
        """Return the share. Raises Missing."""
        ...


def value_of(threshold: Threshold, source: Source) -> float:
    """Return what a threshold judges. Raises Missing."""
    measure, of, stage = threshold.measure, threshold.of, threshold.stage
    if of is not None and measure not in WITH_OF:
        raise Missing(f"{measure} is not measured by action; leave out `of`")
    if stage is not None and not source.began(stage):
        raise Missing(f"stage {stage} did not begin")
    value: float
    match measure:
        case "violations":
            value = source.violations()
        case "connected_share":
            value = source.connected_share(stage)
        case "recovery_s":
            value = source.recovery_s(stage)
        case "growth_share":
            value = source.growth_share(stage)
        case "calls" | "errors" | "error_share":
            value = _count_of(threshold, source)
        case "late" | "dropped" | "unanswered" | "refused" | "reconnects":
            value = source.count(measure, stage)
        case _:
            value = _latency_of(threshold, source)
    return value


def wanted_of(threshold: Threshold, scenario: Scenario) -> tuple[What, str | None, str | None, Clock]:
    """Return which histograms a threshold needs."""
    what = what_of(threshold.of, scenario)
    clock = threshold.clock if what == "call" else "corrected"
    return what, threshold.of, threshold.stage, clock


def what_of(of: str | None, scenario: Scenario) -> What:
    if of in PHASES:
        return "phase"
    return "command" if any(of == command.action for command in scenario.commands) else "call"


def _latency_of(threshold: Threshold, source: Source) -> float:
    found = source.distribution(*wanted_of(threshold, source.scenario))
    if not found.total:
        raise Missing("nothing was measured")
    if threshold.measure == "mean":
        return found.mean
    return found.greatest if threshold.measure == "max" else found.at(PERCENTILES[threshold.measure])


def _count_of(threshold: Threshold, source: Source) -> float:
    measure, of, stage = threshold.measure, threshold.of, threshold.stage
    what, *_ = wanted = wanted_of(threshold, source.scenario)
    if what == "phase" and measure != "calls":
        raise Missing(f"{measure} is not counted by phase; leave out `of`")
    if of is None:
        answered, wrong = source.count("calls", stage), source.count("failed", stage)
    else:
        answered = source.distribution(*wanted).total
        wrong = source.count(f"unexpected {of}" if what == "command" else f"failed {of}", stage)
    ended = answered if what == "command" else answered + wrong
    if (of is not None or measure == "error_share") and not ended:
        raise Missing("nothing was measured")
    if measure == "calls":
        return answered
    if measure == "error_share":
        return wrong / ended
    return source.count("errors", stage) if of is None else wrong


def describe(threshold: Threshold, value: float | None, why: str = "") -> str:
    """Return a threshold and its value in words."""
    name: str = threshold.measure
    if threshold.of is not None:
        name += f" of {threshold.of}"
    if threshold.clock == "service" and threshold.measure in LATENCIES:
        name += " (service)"
    if threshold.stage is not None:
        name += f" in {threshold.stage}"
    bounds = " and ".join(
        f"{words} {_show(threshold.measure, bound)}"
        for words, bound in (("at least", threshold.least), ("at most", threshold.most))
        if bound is not None
    )
    return f"{name}: {why if value is None else _show(threshold.measure, value)}; {bounds} is right"


def _show(measure: Measure, value: float) -> str:
    if measure in _SECONDS:
        return f"{value:.6g} s"
    return f"{value:.6g}" if measure in _SHARES else f"{value:,.10g}"


class ResultsSource:
    """Measures of results."""

    def __init__(self, results: Results) -> None:
        self.scenario = results.scenario
        self._results = results
        self._spans = {span.name: span for span in results.stages}
        self._distributions: dict[tuple[What, str | None, str | None, Clock], Distribution] = {}

    def distribution(self, what: What, name: str | None, stage: str | None, clock: Clock) -> Distribution:
        key = (what, name, stage, clock)
        if key not in self._distributions:
            self._distributions[key] = Distribution.of_hdr(
                each.hdr
                for each in self._results.latencies
                if (each.what, each.clock) == (what, clock)
                and name in {None, each.name}
                and stage in {None, each.stage}
            )
        return self._distributions[key]

    def began(self, stage: str) -> bool:
        return stage in self._spans

    def count(self, name: str, stage: str | None) -> int:
        if stage is None:
            return self._results.counts[name]
        counts = self._results.stage_counts.get(stage)
        return 0 if counts is None else counts[name]

    def violations(self) -> int:
        history = self._results.history
        return self._results.violation_counts.total() + (history.finding_count if history else 0)

    def connected_share(self, stage: str | None) -> float:
        if not self._results.stages:
            raise Missing("no stage began")
        name = stage or self._results.stages[-1].name
        first, end = self._results.charge_points
        wanted = wanted_share(self.scenario, name) * (end - first)
        if not wanted:
            raise Missing(f"stage {name} wants no connected charge point")
        connected = self._slices_of(name, self._results.slices.connected)
        if not connected:
            raise Missing(f"stage {name} was shorter than a slice of {self._results.slices.length:g} s")
        return (connected[-1] if find_stage(self.scenario, name).kind in _MOVING else min(connected)) / wanted

    def recovery_s(self, stage: str | None) -> float:
        storms = [storm for storm in self._results.storms if stage in {None, storm.stage}]
        if not storms:
            raise Missing("there was no storm")
        times = [storm.recovered_s for storm in storms if storm.recovered_s is not None]
        if len(times) < len(storms):
            raise Missing("the charge points did not recover from a storm")
        return max(times)

    def growth_share(self, stage: str | None) -> float:
        names = [each.name for each in self.scenario.stages if each.kind == "soak" and self.began(each.name)]
        if stage is not None and stage not in names:
            raise Missing(f"stage {stage} is not a soak")
        quarters = [self.quarters(name) for name in names if stage in {None, name}]
        growths = [late.mean / early.mean - 1 for early, late in quarters]
        if not growths:
            raise Missing("there was no soak")
        return max(growths)

    def quarters(self, stage: str) -> tuple[Distribution, Distribution]:
        """Return the latencies in the first and the last quarter of a soak. Raises Missing."""
        saved = self._slices_of(stage, self._results.slices.hdr)
        quarter = len(saved) // 4
        if not quarter:
            raise Missing(f"stage {stage} was shorter than four slices")
        early, late = Distribution.of_hdr(saved[:quarter]), Distribution.of_hdr(saved[-quarter:])
        if not early.total or not late.total:
            raise Missing(f"a quarter of stage {stage} had no calls")
        return early, late

    def _slices_of[T](self, stage: str, column: Sequence[T]) -> Sequence[T]:
        """Return the slices that lie wholly in a stage."""
        span, length = self._spans[stage], self._results.slices.length
        first = -int(-(span.begin - _EDGE_S) // length)
        return column[first : max(first, int((span.end + _EDGE_S) // length))]


class SnapshotSource:
    """Measures of a run that goes on. `charge_points` is the number of those whose snapshots these are."""

    def __init__(self, scenario: Scenario, charge_points: int, snapshot: Snapshot) -> None:
        self.scenario = scenario
        self._charge_points = charge_points
        self._snapshot = snapshot

    def distribution(self, what: What, name: str | None, stage: str | None, clock: Clock) -> Distribution:
        buckets: dict[int, int] = {}
        for each in self._snapshot.histograms:
            if (each.what, each.clock) != (what, clock) or name not in {None, each.name}:
                continue
            if stage in {None, each.stage}:
                for bucket, number in each.buckets.items():
                    buckets[bucket] = buckets.get(bucket, 0) + number
        return Distribution.of_buckets(buckets)

    def began(self, stage: str) -> bool:
        return stage in self._snapshot.counts

    def count(self, name: str, stage: str | None) -> int:
        stages = self._snapshot.counts
        return sum(counts.get(name, 0) for each, counts in stages.items() if stage in {None, each})

    def violations(self) -> int:
        return self._snapshot.violations

    def connected_share(self, stage: str | None) -> float:
        name = self._snapshot.stage
        if stage not in {None, name} or find_stage(self.scenario, name).kind in _MOVING:
            raise Missing("the stage that is judged is over, or its charge points are still connecting")
        wanted = wanted_share(self.scenario, name) * self._charge_points
        if not wanted:
            raise Missing(f"stage {name} wants no connected charge point")
        return self._snapshot.connected / wanted

    def recovery_s(self, _stage: str | None) -> float:
        raise Missing("recovery is judged at the end")

    def growth_share(self, _stage: str | None) -> float:
        raise Missing("growth is judged at the end")


def wanted_share(scenario: Scenario, stage: str) -> float:
    """Return the share of the charge points that a stage wants connected at its end."""
    share = 0.0
    for each in scenario.stages:
        share = share if each.connected is None else each.connected
        if each.name == stage:
            break
    return share


def find_stage(scenario: Scenario, name: str) -> Stage:
    return next(stage for stage in scenario.stages if stage.name == name)
