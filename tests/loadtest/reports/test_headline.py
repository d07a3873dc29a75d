from collections import Counter

import pytest
from msgspec.structs import replace

from loadtest.reports.headline import bound_of, headline, name_of, value_of
from loadtest.results import HistoryReport, Judged, Results
from loadtest.scenario.model import Threshold
from tests.support.loadtest_results import failing, results


def judged(threshold: Threshold, value: float | None) -> Judged:
    return Judged(threshold=threshold, words="why", value=value, passed=False)


@pytest.mark.parametrize(
    ("made", "word", "good"),
    [
        (results(), "PASSED", True),
        (replace(failing(), exit_code=99), "FAILED", False),
        (failing(), "INCORRECT", False),
        (results(exit_code=3, invalid=["it was late"]), "INVALID", None),
        (results(exit_code=130), "INTERRUPTED", None),
        (results(exit_code=2), "NOT RUN", None),
    ],
)
def test_each_exit_code_has_a_word(made: Results, word: str, *, good: bool | None) -> None:
    found = headline(made)
    assert (found.word, found.good) == (word, good)
    assert found.sentence.endswith(".")


def test_a_run_whose_history_could_not_be_checked_is_not_called_incorrect() -> None:
    changes = {"exit_code": 4, "history": HistoryReport(left_out="the admin API was away")}
    made = results(**changes, violation_counts=Counter(history_unread=1))
    assert headline(made).word == "UNCHECKED"
    assert headline(made).sentence == "The history could not be checked: the admin API was away."
    both = results(**changes, violation_counts=Counter(history_unread=1, id_twice=1))
    assert headline(both).word == "INCORRECT"


def test_a_missed_threshold_is_named_with_its_value() -> None:
    assert headline(replace(failing(), exit_code=99)).sentence == (
        "1 of 5 thresholds was missed (p99 of all calls: 1.40 s, allowed at most 1 s)."
    )


def test_a_run_in_which_no_call_was_answered_says_so() -> None:
    made = results(exit_code=99, counts=Counter(), judged=[])
    assert headline(made).sentence == "The central system answered no call; the errors above say why."


def test_a_run_passes_without_a_look_at_what_is_stored_only_with_these_words() -> None:
    made = results(history=HistoryReport(left_out="no admin API was given"))
    assert "failed, though what is stored was not compared, and" in headline(made).sentence
    assert "though" not in headline(results()).sentence


def test_a_run_that_was_ended_early_says_so_first() -> None:
    sentence = headline(replace(failing(), exit_code=99, ended="aborted")).sentence
    assert sentence.startswith("The run was ended early, because a threshold was missed for too long; 1 of 5")


def test_values_and_bounds_have_the_unit_of_their_measure() -> None:
    share = judged(Threshold(measure="error_share", least=0.0, most=0.001), 0.25)
    assert (value_of(share), bound_of(share)) == ("25 %", "at least 0 %, at most 0.1 %")
    late = judged(Threshold(measure="late", most=1000), 1234)
    assert (value_of(late), bound_of(late)) == ("1,234", "at most 1,000")
    assert value_of(judged(Threshold(measure="p99", most=1), None)) == "nothing measured"


def test_a_threshold_has_a_name_in_words() -> None:
    threshold = Threshold(measure="p999", of="Authorize", stage="hold", clock="service", most=1)
    assert name_of(threshold) == "p99.9 of Authorize (service) in hold"
