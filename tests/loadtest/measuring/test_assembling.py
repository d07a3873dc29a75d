from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.measuring.assembling import CannotMerge, merge
from loadtest.measuring.histograms import Distribution
from loadtest.measuring.recording import Recorder
from loadtest.results import (
    ActionReport,
    Found,
    GeneratorReport,
    HistoryReport,
    Results,
    StormReport,
)
from loadtest.scenario.model import Target
from tests.support.measured import BEGIN, make_machine, make_recorder, make_results, make_scenario

PARTS = 3


def _combine(digests: Iterable[tuple[str, int]]) -> tuple[str, int]:
    found = sorted(digests)
    return "+".join(digest for digest, _ in found), sum(number for _, number in found)


class Event(msgspec.Struct, frozen=True):
    """Something that one of the parts records `at` seconds after the begin, and that took `seconds`."""

    part: int
    at: float
    what: str
    name: str
    seconds: float

    def record(self, recorder: Recorder) -> None:
        at = BEGIN + self.at
        match self.what:
            case "call":
                recorder.sent(at - self.seconds, at - self.seconds / 2, free=self.seconds < 1)
                recorder.answered(self.name, at - self.seconds, at - self.seconds / 2, at)
            case "failed":
                recorder.failed(self.name, "no answer")
            case "phase":
                recorder.phase("upgrade", self.seconds)
                recorder.connected += 1
                recorder.booted += 1
            case "command":
                recorder.command(self.name, at - self.seconds, at, "200 Accepted", expected=self.seconds < 2)
            case _:
                recorder.delivered(self.name, at - self.seconds, at)


events = st.lists(
    st.builds(
        Event,
        part=st.integers(min_value=0, max_value=PARTS - 1),
        at=st.floats(min_value=0, max_value=12),
        what=st.sampled_from(["call", "call", "call", "failed", "phase", "command", "delivery"]),
        name=st.sampled_from(["Heartbeat", "MeterValues"]),
        seconds=st.floats(min_value=0, max_value=5),
    ),
    max_size=40,
).map(lambda found: sorted(found, key=lambda event: event.at))


def _run(all_: list[Event], **other: Any) -> Results:
    """Record events at their times, in the three stages of the scenario."""
    recorder = make_recorder()
    stages = [("soak", 8.0), ("hold", 4.0)]
    for event in all_:
        while stages and event.at >= stages[-1][1]:
            name, at = stages.pop()
            recorder.enter(name, BEGIN + at)
        recorder.tick(BEGIN + event.at)
        event.record(recorder)
    for name, at in reversed(stages):
        recorder.enter(name, BEGIN + at)
    return make_results(recorder, **({"at": BEGIN + 13} | other))


def _shown(results: Results) -> dict[str, object]:
    """Return all that was measured, with what the histograms say in the place of their encodings."""
    slices = results.slices
    return {
        "latencies": {
            (each.what, each.name, each.stage, each.clock): Distribution.of_hdr([each.hdr]).__getstate__()
            for each in results.latencies
        },
        "slices": (
            slices.length,
            slices.connected,
            slices.booted,
            slices.calls,
            slices.errors,
            slices.handshakes,
        ),
        "over time": [Distribution.of_hdr([saved]).__getstate__() for saved in slices.hdr],
        "counts": (results.counts, results.stage_counts, results.errors, results.commands),
        "stages": results.stages,
        "charge points": results.charge_points,
    }


RANGES = [(0, 30), (30, 60), (60, 100)]


def _parts(**changes: Any) -> list[Results]:
    """Return two empty parts, the second with changes."""
    alike = _run([], charge_points=(0, 50), machine=make_machine("0"))
    return [alike, _run([], **({"charge_points": (50, 100), "machine": make_machine("1")} | changes))]


@settings(max_examples=30)
@given(events)
def test_merged_parts_equal_the_run_of_a_single_process(all_: list[Event]) -> None:
    parts = [
        _run([event for event in all_ if event.part == number], charge_points=RANGES[number])
        for number in range(PARTS)
    ]
    assert _shown(merge(parts, _combine, whole=True)) == _shown(_run(all_))


@settings(max_examples=20)
@given(events, st.permutations(range(PARTS)))
def test_parts_of_parts_merge_in_any_order(all_: list[Event], order: list[int]) -> None:
    parts = [
        _run([event for event in all_ if event.part == number], charge_points=RANGES[number])
        for number in range(PARTS)
    ]
    at_once = merge([parts[number] for number in order], _combine, whole=True)
    stepwise = merge([parts[2], merge(parts[:2], _combine, whole=False)], _combine, whole=True)
    assert _shown(at_once) == _shown(stepwise)


def test_merged_results_survive_a_file() -> None:
    merged = merge(_parts(), _combine, whole=True)
    read = msgspec.json.decode(
        msgspec.json.encode(merged), type=Results, dec_hook=lambda _type, value: Counter(value)
    )
    assert read == merged


def test_the_machines_of_all_parts_are_named_once() -> None:
    parts = [*_parts(charge_points=(50, 75)), _run([], charge_points=(75, 100), machine=make_machine("1"))]
    merged = merge(parts, _combine, whole=True)
    assert merged.machines == [make_machine("0"), make_machine("1")]
    assert merged.parts == 2


def test_the_digests_of_the_parts_are_combined() -> None:
    one, other = _parts()
    one.digest, one.intended = "b", 3
    other.digest, other.intended = "a", 4
    merged = merge([one, other], _combine, whole=True)
    assert (merged.digest, merged.intended) == ("a+b", 7)


@pytest.mark.parametrize(
    ("one", "other", "merged"),
    [
        ("completed", "completed", "completed"),
        ("completed", "aborted", "aborted"),
        ("interrupted", "aborted", "interrupted"),
    ],
)
def test_a_run_ended_like_the_worst_of_its_parts(one: str, other: str, merged: str) -> None:
    parts = _parts(ended=other)
    assert (
        merge([msgspec.structs.replace(parts[0], ended=one), parts[1]], _combine, whole=True).ended == merged
    )


def _storm(**changes: Any) -> StormReport:
    storm = StormReport(stage="hold", at=2.0, how="reset", cut=10, recovered_s=3.0, handshakes_per_second=2.0)
    return msgspec.structs.replace(storm, **changes)


def test_a_storm_of_all_parts_is_one_storm_that_ends_with_the_slowest_part() -> None:
    one, other = [
        _run([Event(0, at, "phase", "", 0.1) for at in times], charge_points=range_)
        for times, range_ in (([2.1, 2.2, 4.1], (0, 50)), ([3.5, 4.2, 4.3], (50, 100)))
    ]
    one.storms = [_storm(), _storm(at=9.0, recovered_s=1.0)]
    other.storms = [_storm(cut=7, recovered_s=4.5), _storm(at=9.0, recovered_s=None)]
    first, second = merge([one, other], _combine, whole=True).storms
    # Both parts had a second with two handshakes, and no second had four.
    assert first == _storm(cut=17, recovered_s=4.5, handshakes_per_second=3)
    assert (second.cut, second.recovered_s) == (20, None)


def test_reports_and_findings_of_all_parts_are_kept() -> None:
    one, other = _parts()
    action = ActionReport(name="restart", at=5.0, seconds=1.0, exit_code=0, output="")
    report = GeneratorReport(
        process="0",
        stage="hold",
        cpu_share=0.1,
        lag_p99_s=0.0,
        lag_max_s=0.0,
        memory_bytes=1,
        files=1,
        files_limit=9,
        connections=1,
    )
    later, earlier = Found("id_twice", "later", 9.0), Found("value_lost", "earlier", 3.0)
    one.actions, one.generator, one.violations = [action], [report], [later]
    other.generator, other.violations, other.invalid = [report], [earlier], ["a reason"]
    one.violation_counts = other.violation_counts = Counter(id_twice=1)
    one.history = HistoryReport(starts=2, stops=1, finding_count=1)
    other.history = HistoryReport(starts=3, left_out="no admin API")
    merged = merge([one, other], _combine, whole=True)
    assert (merged.actions, merged.generator) == ([action], [report, report])
    assert merged.violations == [earlier, later]
    assert merged.violation_counts == {"id_twice": 2}
    assert merged.history == HistoryReport(starts=5, stops=1, finding_count=1, left_out="no admin API")
    assert merged.invalid == ["a reason"]


def test_targets_may_differ_because_machines_reach_the_central_system_by_different_ways() -> None:
    parts = _parts(scenario=make_scenario(target=Target(url="wss://gateway-2/{id}")))
    assert merge(parts, _combine, whole=True).parts == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"scenario": make_scenario(seed=2)},
            "differ in their seed: the part of charge points 0 to 49 has 1",
        ),
        (
            {"scenario": make_scenario(charge_points=200)},
            "differ in fleet; run each part with the same scenario",
        ),
        ({"scale": 2.0}, "the parts differ in their scale"),
        ({"started_at": "2026-01-02T03:05:05Z"}, "did not begin together"),
        ({"started_at": "2026-01-02T03:04:05"}, "which is not an ISO 8601 time with a time zone"),
        ({"started_at": "yesterday"}, "began at 'yesterday', which is not an ISO 8601 time"),
        ({"charge_points": (49, 100)}, "have charge points in common; give each part once"),
        ({"charge_points": (51, 100)}, "a part is missing: nobody ran charge points 50 to 50"),
        ({"charge_points": (50, 99)}, "a part is missing: nobody ran charge points 99 to 99"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(CannotMerge) as refused:
        merge(_parts(**changes), _combine, whole=True)
    assert words in str(refused.value)


def test_the_first_part_may_be_missing_only_if_the_whole_is_not_asked_for() -> None:
    _, part = _parts()
    assert merge([part], _combine, whole=False).charge_points == (50, 100)
    with pytest.raises(CannotMerge, match="nobody ran charge points 0 to 49"):
        merge([part], _combine, whole=True)


def test_the_last_stage_ends_before_the_charge_points_leave_and_earlier_if_the_run_ended_early() -> None:
    whole = make_results(make_recorder(), at=BEGIN + 12.0)
    assert (whole.seconds, whole.stages[-1].end) == (12.0, 10.0)
    assert make_results(make_recorder(), at=BEGIN + 7.0).stages[-1].end == 7.0


def test_nothing_cannot_be_merged() -> None:
    with pytest.raises(CannotMerge, match="give the results of all parts"):
        merge([], _combine, whole=True)
