from collections import Counter
from typing import get_args

import pytest

from loadtest.measuring import measures
from loadtest.measuring.measures import (
    LIVE,
    WITH_OF,
    Missing,
    ResultsSource,
    SnapshotSource,
    value_of,
    wanted_of,
)
from loadtest.measuring.recording import Recorder
from loadtest.results import HistoryReport, Results, StormReport
from loadtest.scenario.model import Commands, Measure, Scenario, Stage, Threshold
from tests.support.measured import BEGIN, make_recorder, make_results, make_scenario

COMMANDS = (Commands(action="Reset", per_second=1), Commands(action="DataTransfer", per_second=1))
SCENARIO = make_scenario(commands=COMMANDS)


def _recorder() -> Recorder:
    """Record a ramp with trouble, and a hold without."""
    recorder = make_recorder()
    for number in range(1, 101):
        sent = BEGIN + number / 200 - 0.001
        recorder.sent(BEGIN, sent, free=False)
        recorder.answered("Heartbeat", BEGIN, sent, BEGIN + number / 100)
    recorder.answered("DataTransfer", BEGIN, BEGIN, BEGIN + 3)
    recorder.failed("Heartbeat", "no answer")
    recorder.failed("Authorize", "InternalError")
    recorder.phase("tls", 0.2)
    recorder.phase("tls", 0.4)
    recorder.error("refused 503")
    recorder.count("refused")
    recorder.count("reconnects", 4)
    recorder.count("dropped", 5)
    for _ in range(3):
        recorder.command("Reset", BEGIN + 1, BEGIN + 1.5, "200 Accepted")
    recorder.command("Reset", BEGIN + 1, BEGIN + 2.5, "504 timeout", expected=False)
    recorder.command("DataTransfer", BEGIN + 1, BEGIN + 2, "200 Accepted")
    recorder.enter("hold", BEGIN + 10)
    recorder.answered("Heartbeat", BEGIN + 10, BEGIN + 10, BEGIN + 18)
    return recorder


def _value(threshold: Threshold, results: Results | None = None) -> float:
    results = make_results(_recorder(), SCENARIO) if results is None else results
    return value_of(threshold, ResultsSource(results))


def _threshold(measure: Measure, of: str | None = None, stage: str | None = None) -> Threshold:
    return Threshold(measure=measure, of=of, stage=stage, most=0)


CASES: list[tuple[Measure, str | None, str | None, float]] = [
    ("mean", "Heartbeat", "ramp", 0.505),
    ("p50", "Heartbeat", "ramp", 0.50),
    ("p90", "Heartbeat", "ramp", 0.90),
    ("p95", "Heartbeat", "ramp", 0.95),
    ("p99", "Heartbeat", "ramp", 0.99),
    ("p999", "Heartbeat", "ramp", 1.0),
    ("max", "Heartbeat", "ramp", 1.0),
    ("max", None, "ramp", 3.0),
    ("max", None, None, 8.0),
    ("max", "tls", None, 0.4),
    ("max", "Reset", None, 1.5),
    ("max", "DataTransfer", None, 1.0),
    ("calls", None, None, 102),
    ("calls", None, "hold", 1),
    ("calls", "Heartbeat", None, 101),
    ("calls", "Authorize", None, 0),
    ("calls", "tls", None, 2),
    ("calls", "Reset", None, 4),
    ("errors", None, None, 4),
    ("errors", None, "hold", 0),
    ("errors", "Heartbeat", None, 1),
    ("errors", "Authorize", None, 1),
    ("errors", "Reset", None, 1),
    ("error_share", None, None, 2 / 104),
    ("error_share", None, "hold", 0.0),
    ("error_share", "Authorize", None, 1.0),
    ("error_share", "Reset", None, 0.25),
    ("late", None, None, 80),
    ("late", None, "hold", 0),
    ("dropped", None, None, 5),
    ("unanswered", None, None, 1),
    ("refused", None, None, 1),
    ("reconnects", None, None, 4),
]


@pytest.mark.parametrize(("measure", "of", "stage", "expected"), CASES)
def test_a_measure_has_its_value_at_the_end_and_while_the_run_goes_on(
    measure: Measure, of: str | None, stage: str | None, expected: float
) -> None:
    threshold = _threshold(measure, of, stage)
    assert _value(threshold) == pytest.approx(expected, rel=0.001)
    snapshot = _recorder().snapshot([wanted_of(threshold, SCENARIO)])
    assert value_of(threshold, SnapshotSource(SCENARIO, 100, snapshot)) == pytest.approx(expected, rel=0.001)


def test_the_service_clock_counts_from_the_sending() -> None:
    threshold = Threshold(measure="max", of="Heartbeat", stage="ramp", clock="service", most=1)
    assert _value(threshold) == pytest.approx(0.501, rel=0.001)


@pytest.mark.parametrize("of", ["tls", "Reset"])
def test_phases_and_commands_have_one_clock(of: str) -> None:
    threshold = Threshold(measure="max", of=of, clock="service", most=1)
    assert _value(threshold) == _value(_threshold("max", of))


@pytest.mark.parametrize(
    ("measure", "of", "stage", "why"),
    [
        ("p99", "BootNotification", None, "nothing was measured"),
        ("p99", None, "soak", "stage soak did not begin"),
        ("late", None, "soak", "stage soak did not begin"),
        ("errors", "BootNotification", None, "nothing was measured"),
        ("error_share", "BootNotification", None, "nothing was measured"),
        ("calls", "BootNotification", None, "nothing was measured"),
        ("late", "Heartbeat", None, "late is not measured by action; leave out `of`"),
        ("errors", "tls", None, "errors is not counted by phase; leave out `of`"),
        ("recovery_s", None, None, "there was no storm"),
        ("growth_share", None, None, "there was no soak"),
        ("growth_share", None, "hold", "stage hold is not a soak"),
    ],
)
def test_a_measure_without_a_measurement_has_no_value(
    measure: Measure, of: str | None, stage: str | None, why: str
) -> None:
    with pytest.raises(Missing) as missing:
        _value(_threshold(measure, of, stage))
    assert str(missing.value) == why


def test_violations_are_those_of_the_run_and_the_findings_of_the_history() -> None:
    results = make_results(_recorder(), SCENARIO)
    assert _value(_threshold("violations"), results) == 0
    results.violation_counts = Counter(id_twice=2, value_lost=1)
    results.history = HistoryReport(finding_count=4)
    assert _value(_threshold("violations"), results) == 7


def test_recovery_is_that_of_the_slowest_storm_and_a_storm_without_recovery_is_missed() -> None:
    storm = StormReport(stage="hold", at=12, how="reset", cut=9, recovered_s=3.0, handshakes_per_second=5)
    other = StormReport(stage="soak", at=40, how="reset", cut=9, recovered_s=8.0, handshakes_per_second=5)
    results = make_results(_recorder(), SCENARIO)
    results.storms = [storm, other]
    assert _value(_threshold("recovery_s"), results) == 8
    assert _value(_threshold("recovery_s", stage="hold"), results) == 3
    results.storms.append(
        StormReport(stage="hold", at=20, how="reset", cut=9, recovered_s=None, handshakes_per_second=5)
    )
    with pytest.raises(Missing, match="did not recover"):
        _value(_threshold("recovery_s"), results)


def _connect(
    by_second: list[int], scenario: Scenario, *, charge_points: tuple[int, int] = (0, 100)
) -> Results:
    """Return results in which so many charge points were connected at the end of each second."""
    recorder = Recorder(BEGIN)
    begins = {}
    begin = 0.0
    for stage in scenario.stages:
        begins[begin] = stage.name
        begin += stage.seconds
    for at, connected in enumerate(by_second):
        if at in begins:
            recorder.enter(begins[at], BEGIN + at)
        recorder.connected = connected
        recorder.tick(BEGIN + at + 1)
    return make_results(recorder, scenario, at=BEGIN + len(by_second), charge_points=charge_points)


STAGES = (
    Stage(name="ramp", kind="ramp", seconds=3, connected=0.5),
    Stage(name="hold", kind="hold", seconds=3),
    Stage(name="step", kind="step", seconds=2, connected=1.0),
)


def test_the_connected_share_is_the_least_of_a_hold_and_the_last_of_a_ramp_or_step() -> None:
    results = _connect([10, 40, 45, 50, 35, 50, 70, 90], make_scenario(stages=STAGES))
    assert _value(_threshold("connected_share", stage="ramp"), results) == 0.9
    assert _value(_threshold("connected_share", stage="hold"), results) == 0.7
    assert _value(_threshold("connected_share", stage="step"), results) == 0.9
    assert _value(_threshold("connected_share"), results) == 0.9


def test_the_connected_share_of_a_part_is_of_its_own_charge_points() -> None:
    results = _connect([10, 40, 45], make_scenario(stages=STAGES), charge_points=(50, 100))
    assert _value(_threshold("connected_share", stage="ramp"), results) == 1.8


def test_the_connected_share_needs_a_whole_slice_and_a_stage_that_wants_connections() -> None:
    short = Stage(name="short", kind="hold", seconds=0.5)
    results = _connect([10, 40, 45, 50], make_scenario(stages=(*STAGES[:1], short)))
    results.stages[-1] = type(results.stages[-1])("short", 3.2, 3.7)
    with pytest.raises(Missing, match="shorter than a slice of 1 s"):
        _value(_threshold("connected_share", stage="short"), results)
    nobody = Stage(name="nobody", kind="hold", seconds=3, connected=0.0)
    with pytest.raises(Missing, match="wants no connected charge point"):
        _value(_threshold("connected_share"), _connect([0, 0, 0], make_scenario(stages=(nobody, STAGES[0]))))


def _soak(latencies: list[float]) -> Results:
    """Return results of a soak with one call in each second."""
    scenario = make_scenario(stages=(Stage(name="ramp", kind="soak", seconds=len(latencies), connected=1.0),))
    recorder = make_recorder()
    for at, seconds in enumerate(latencies):
        recorder.answered("Heartbeat", BEGIN + at + 0.9 - seconds, BEGIN + at, BEGIN + at + 0.9)
        recorder.tick(BEGIN + at + 1)
    return make_results(recorder, scenario, at=BEGIN + len(latencies))


def test_the_growth_of_a_soak_compares_its_last_quarter_with_its_first() -> None:
    growth = _value(_threshold("growth_share"), _soak([0.1, 0.1, 0.4, 0.4, 0.4, 0.4, 0.1, 0.2]))
    assert growth == pytest.approx(0.5, abs=0.02)


def test_a_soak_of_fewer_than_four_slices_has_no_growth() -> None:
    with pytest.raises(Missing, match="shorter than four slices"):
        _value(_threshold("growth_share"), _soak([0.1, 0.1, 0.1]))


def test_the_table_of_measures_is_complete_and_says_which_take_an_action_and_which_are_judged_live() -> None:
    rows = [line.split("|")[1:-1] for line in (measures.__doc__ or "").splitlines() if line.startswith("| `")]
    table = {
        name.strip(" `"): (of.strip() == "yes", live.strip() == "yes")
        for names, _, of, live in rows
        for name in names.split(",")
    }
    assert table == {
        measure: (measure in WITH_OF, measure in LIVE) for measure in get_args(Measure.__value__)
    }
