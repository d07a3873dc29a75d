from collections import Counter
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.measuring.recording import Recorder, Snapshot
from loadtest.measuring.verdict import EXIT_CODES, LiveJudge, Reason, Verdict, conclude, find_exit_code, judge
from loadtest.results import Ended, HistoryReport, Results
from loadtest.scenario.model import Threshold
from tests.support.measured import BEGIN, make_recorder, make_results, make_scenario


def _results(*thresholds: Threshold, ended: Ended = "completed") -> Results:
    """Return results with ten calls of half a second."""
    recorder = make_recorder()
    for _ in range(10):
        recorder.answered("Heartbeat", BEGIN, BEGIN, BEGIN + 0.5)
    return make_results(recorder, make_scenario(thresholds=thresholds), ended=ended)


MET = Threshold(measure="p99", most=0.6)
MISSED = Threshold(measure="p99", most=0.4)


@pytest.mark.parametrize(
    ("reasons", "code"),
    [
        ({"interrupted", "configuration", "invalid", "violation", "threshold"}, 130),
        ({"configuration", "invalid", "violation", "threshold"}, 2),
        ({"invalid", "violation", "threshold"}, 3),
        ({"violation", "threshold"}, 4),
        ({"threshold"}, 99),
        (set(), 0),
    ],
)
def test_the_exit_code_is_that_of_the_worst_reason(reasons: Collection[Reason], code: int) -> None:
    assert find_exit_code(reasons) == code


@given(st.sets(st.sampled_from(list(EXIT_CODES))))
def test_each_combination_of_reasons_has_the_exit_code_that_comes_first_in_the_order(
    reasons: set[Reason],
) -> None:
    codes = {EXIT_CODES[reason] for reason in reasons}
    assert find_exit_code(reasons) == next((code for code in (130, 2, 3, 4, 99) if code in codes), 0)


@given(
    st.sampled_from(["completed", "aborted", "interrupted"]),
    st.sets(st.sampled_from(["invalid", "violated", "found", "missed"])),
)
def test_the_verdict_on_results_follows_the_order_of_the_exit_codes(ended: Ended, wrong: set[str]) -> None:
    results = _results(MISSED if "missed" in wrong else MET, ended=ended)
    if "invalid" in wrong:
        results.invalid = ["a process ended"]
    if "violated" in wrong:
        results.violation_counts = Counter(value_lost=1)
    if "found" in wrong:
        results.history = HistoryReport(finding_count=1)
    expected = [
        (ended == "interrupted", 130),
        ("invalid" in wrong, 3),
        (bool(wrong & {"violated", "found"}), 4),
        ("missed" in wrong or ended == "aborted", 99),
        (True, 0),
    ]
    assert judge(results).exit_code == next(code for holds, code in expected if holds)


def test_a_run_without_thresholds_fails_if_no_call_was_answered() -> None:
    assert judge(_results()).exit_code == 0
    assert judge(make_results(make_recorder(), make_scenario())).exit_code == 99


def test_the_verdict_is_written_into_the_results() -> None:
    results = _results(MET, MISSED)
    verdict = conclude(results)
    assert isinstance(verdict, Verdict)
    assert [each.passed for each in results.judged] == [True, False]
    assert results.judged == list(verdict.judged)
    assert results.exit_code == verdict.exit_code == 99
    assert conclude(results) == verdict


def test_a_generator_that_was_too_late_is_a_reason_of_its_own() -> None:
    results = _results(MET)
    results.stage_counts["hold"] = Counter(sent=100, late_generator=50)
    verdict = conclude(results)
    assert verdict.exit_code == 3
    assert results.invalid == list(verdict.invalid)
    assert "sent late by the generator" in results.invalid[0]
    assert conclude(results).invalid == verdict.invalid


def test_a_threshold_without_measurements_is_missed_and_says_so() -> None:
    [judged] = judge(_results(Threshold(measure="p99", of="Authorize", stage="ramp", most=1))).judged
    assert not judged.passed
    assert judged.value is None
    assert judged.words == "p99 of Authorize in ramp: nothing was measured; at most 1 s is right"


def test_a_judged_threshold_shows_its_value_and_its_bounds() -> None:
    thresholds = (
        Threshold(measure="calls", least=5, most=8),
        Threshold(measure="max", clock="service", most=0.25),
    )
    calls, longest = judge(_results(*thresholds)).judged
    assert calls.words == "calls: 10; at least 5 and at most 8 is right"
    assert calls.value == 10
    assert longest.words == "max (service): 0.500223 s; at most 0.25 s is right"
    assert not calls.passed
    assert not longest.passed


@pytest.mark.parametrize(("least", "most", "passed"), [(10, 10, True), (11, None, False), (None, 9, False)])
def test_bounds_belong_to_what_is_right(least: float | None, most: float | None, *, passed: bool) -> None:
    [judged] = judge(_results(Threshold(measure="calls", least=least, most=most))).judged
    assert judged.passed is passed


def _look(live: LiveJudge, at: float, recorder: Recorder) -> str | None:
    return live.look(at, recorder.snapshot(live.wanted))


def _live(*thresholds: Threshold) -> LiveJudge:
    return LiveJudge(make_scenario(thresholds=thresholds), 100)


def test_a_run_ends_when_a_bound_was_missed_for_so_long() -> None:
    live = _live(Threshold(measure="p50", most=0.4, abort_after_s=3))
    recorder = make_recorder()
    assert _look(live, 0, recorder) is None
    recorder.answered("Heartbeat", BEGIN, BEGIN, BEGIN + 0.5)
    assert [_look(live, at, recorder) for at in (1, 2, 3.9)] == [None, None, None]
    assert _look(live, 4, recorder) == ("p50: 0.500223 s; at most 0.4 s is right, and was missed for 3 s")


def test_a_bound_that_is_met_again_begins_anew() -> None:
    live = _live(Threshold(measure="p50", most=0.4, abort_after_s=3))
    recorder = make_recorder()
    recorder.answered("Heartbeat", BEGIN, BEGIN, BEGIN + 0.5)
    assert _look(live, 1, recorder) is None
    for _ in range(3):
        recorder.answered("Heartbeat", BEGIN, BEGIN, BEGIN + 0.1)
    assert _look(live, 3, recorder) is None
    for _ in range(9):
        recorder.answered("Heartbeat", BEGIN, BEGIN, BEGIN + 0.5)
    assert [_look(live, at, recorder) for at in (5, 7)] == [None, None]
    assert _look(live, 8, recorder) is not None


def test_a_bound_of_a_stage_is_not_judged_before_the_stage() -> None:
    live = _live(Threshold(measure="errors", stage="hold", most=0, abort_after_s=1))
    recorder = make_recorder()
    recorder.error("refused 503")
    assert [_look(live, at, recorder) for at in (1, 9)] == [None, None]
    recorder.enter("hold", BEGIN + 10)
    recorder.error("refused 503")
    assert _look(live, 10, recorder) is None
    assert _look(live, 11, recorder) is not None


def test_a_least_number_of_calls_does_not_end_a_run_that_has_just_begun() -> None:
    live = _live(
        Threshold(measure="calls", least=1_000, abort_after_s=1),
        Threshold(measure="recovery_s", most=1, abort_after_s=1),
        Threshold(measure="calls", least=1_000),
    )
    assert [_look(live, at, make_recorder()) for at in (1, 60)] == [None, None]


def test_lost_connections_end_a_hold_but_not_a_ramp() -> None:
    live = _live(Threshold(measure="connected_share", least=0.9, abort_after_s=2))
    recorder = make_recorder()
    assert [_look(live, at, recorder) for at in (1, 9)] == [None, None]
    recorder.enter("hold", BEGIN + 10)
    recorder.connected = 90
    assert [_look(live, at, recorder) for at in (11, 15)] == [None, None]
    recorder.connected = 89
    assert _look(live, 16, recorder) is None
    assert _look(live, 18, recorder) == (
        "connected_share: 0.89; at least 0.9 is right, and was missed for 2 s"
    )


def test_violations_can_end_a_run() -> None:
    live = _live(Threshold(measure="violations", most=0, abort_after_s=1))
    snapshot = Snapshot(stage="hold", connected=0, booted=0, violations=1)
    assert live.look(5, snapshot) is None
    assert live.look(6, snapshot) is not None
