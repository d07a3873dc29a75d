from collections import Counter
from typing import get_args

from msgspec.structs import replace

from loadtest.history import Finding, Kind
from loadtest.reports.checked import checks, describe_history, failed_checks
from loadtest.results import Found, HistoryReport, Violation
from loadtest.scenario.model import Checks
from tests.support.loadtest_results import SCENARIO, results


def test_there_is_a_check_for_each_kind_of_violation_and_of_finding() -> None:
    kinds = [*get_args(Violation.__value__), *(f"history_{kind}" for kind in get_args(Kind.__value__))]
    assert [check.kind for check in checks(results())] == kinds
    assert failed_checks(results()) == []
    assert all(check.left_out is None for check in checks(results()))


def test_a_check_has_the_exact_count_and_some_of_the_words() -> None:
    made = results(
        violations=[Found("value_lost", f"value {n}") for n in range(30)],
        violation_counts=Counter(value_lost=1234),
    )
    [check] = failed_checks(made)
    assert (check.count, len(check.words), check.words[0]) == (1234, 10, "value 0")


def test_checks_that_could_not_be_made_say_why() -> None:
    made = results(
        history=HistoryReport(left_out="no admin API was given"),
        scenario=replace(SCENARIO, commands=(), checks=Checks(schemas_share=0)),
    )
    reasons = {check.kind: check.left_out for check in checks(made) if check.left_out}
    assert len(reasons) == 13
    assert reasons["value_lost"] == reasons["history_missing_stop"] == "no admin API was given"
    assert reasons["command_not_received"] == "the scenario has no commands"
    assert reasons["invalid_answer"] == "schemas_share is 0"


def test_the_words_on_the_history_name_what_was_not_looked_at_and_not_shown() -> None:
    history = HistoryReport(
        starts=2, values=7, partly="later commands were not noted", finding_count=3,
        findings=(Finding("never_sent", "x"),),
    )  # fmt: skip
    words = describe_history(results(history=history))
    assert "7 acknowledged meter values were looked for." in words
    assert "Not everything was looked at: later commands were not noted." in words
    assert "Of 3 contradictions, 1 are shown." in words
    assert "2 starts and 0 stops were acknowledged, and 0 transactions are stored." in words
    assert "more than once" not in words
    assert describe_history(results(history=HistoryReport())) == (
        "No start or stop of a transaction was acknowledged, so there was none to look for."
    )
    assert describe_history(results(history=None)).endswith("before the stored transactions were read.")


def test_one_fact_and_one_value_are_spoken_of_in_the_singular() -> None:
    history = HistoryReport(starts=1, stops=1, stored=1, retried=1, replayed=1, values=1)
    assert describe_history(results(history=history)) == (
        "1 start and 1 stop were acknowledged, and 1 transaction is stored. 1 of these facts was sent more "
        "than once, and 1 of them was stored by an earlier transmission. 1 acknowledged meter value was "
        "looked for."
    )
