from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace
from xmlschema import XMLSchema

from loadtest.history import Finding
from loadtest.reports import junit
from loadtest.results import Found, HistoryReport, Judged, Results
from loadtest.scenario.model import Threshold
from tests.support.loadtest_results import failing, results

SCHEMA = XMLSchema(Path(__file__).with_name("junit.xsd"))


def cases(made: Results, kind: str) -> dict[str, str]:
    """Return the outcome of each test case of one suite."""
    found = {}
    for case in junit.build(made).iter("testcase"):
        if case.get("classname", "").endswith(f".{kind}"):
            tags = [each.tag for each in case if each.tag != "system-out"]
            found[case.get("name", "")] = tags[0] if tags else "passed"
    return found


@pytest.mark.parametrize(
    "made",
    [
        results(),
        failing(),
        results(judged=[], history=HistoryReport(left_out="no admin API was given")),
        results(invalid=["the process part 1.1 used 0.97 of a core in hold"], ended="interrupted"),
        results(history=None, violations=[Found("unknown_id", "an answer to <x> & \x00\ud800 ]]>")]),
    ],
    ids=["passed", "failed", "without admin API", "invalid", "hostile words"],
)
def test_each_junit_file_is_valid_by_the_schema(made: Results, tmp_path: Path) -> None:
    junit.write(made, tmp_path / "junit.xml")
    SCHEMA.validate(tmp_path / "junit.xml")


def test_each_threshold_is_a_test_case_that_fails_if_it_was_missed() -> None:
    assert cases(failing(), "thresholds") == {
        "p99 of all calls: at most 1 s": "failure",
        "p99 of Authorize in hold: at most 500 ms": "passed",
        "error share: at most 0.1 %": "passed",
        "recovery: at most 120 s": "passed",
        "connected share in hold: at least 100 %": "passed",
    }


def test_a_threshold_for_which_nothing_was_measured_fails_with_the_reason() -> None:
    threshold = Threshold(measure="p99", of="Boot", most=1)
    judged = Judged(threshold=threshold, words="p99 of Boot: nothing was measured", value=None, passed=False)
    [failure] = junit.build(results(judged=[judged])).iter("failure")
    assert failure.get("message") == "measured nothing measured"
    assert failure.text == "p99 of Boot: nothing was measured"


def test_each_check_of_correctness_is_a_test_case() -> None:
    history = HistoryReport(findings=(Finding("missing_stop", "LT000003.12 has no stop"),), finding_count=1)
    made = results(violation_counts=Counter(value_lost=2), history=history)
    outcomes = cases(made, "correctness")
    assert len(outcomes) == 17
    assert {name for name, outcome in outcomes.items() if outcome != "passed"} == {
        "Each acknowledged stop is stored",
        "No acknowledged meter value was lost",
    }


def test_checks_that_need_an_admin_api_are_skipped_without_one() -> None:
    made = results(history=HistoryReport(left_out="no admin API was given"))
    skipped = {name for name, outcome in cases(made, "correctness").items() if outcome == "skipped"}
    assert len(skipped) == 11
    assert "Each acknowledged start is stored" in skipped
    assert "No charge point got the answer to another one" not in skipped


def test_an_invalid_run_is_an_error_of_the_generator_and_no_failure_of_the_target() -> None:
    made = results(invalid=["its event loop was late by 0.3 s"])
    assert cases(made, "generator") == {
        "The central system was measured, and not the generator": "error",
        "The run came to its end": "passed",
        "The central system answered calls": "passed",
    }
    assert [error.text for error in junit.build(made).iter("error")] == ["its event loop was late by 0.3 s"]


def test_a_run_in_which_no_call_was_answered_has_a_failure() -> None:
    assert cases(results(counts=Counter()), "generator")["The central system answered calls"] == "failure"


def test_the_counts_of_the_file_are_the_sums_of_its_suites() -> None:
    root = junit.build(replace(failing(), invalid=["too late"]))
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "25",
        "failures": "2",
        "errors": "1",
        "skipped": "0",
    }
