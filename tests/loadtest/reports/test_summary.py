from collections import Counter
from io import StringIO

import pytest
from msgspec.structs import replace
from rich.console import Console

from loadtest.reports.summary import show
from loadtest.results import ActionReport, HistoryReport, Results
from tests.support.loadtest_results import SCENARIO, failing, results, small


def shown(made: Results) -> str:
    stream = StringIO()
    show(made, Console(file=stream, width=140))
    return stream.getvalue()


def test_the_last_line_is_the_verdict_in_one_sentence() -> None:
    assert shown(results()).splitlines()[-1] == (
        "PASSED: All 5 thresholds were met, no check of correctness failed, and the generator kept within "
        "its limits."
    )
    assert shown(failing()).splitlines()[-1] == (
        "INCORRECT: 1 check of correctness failed (No charge point got the answer to another one: "
        "3 violations)."
    )


@pytest.mark.parametrize(
    "words",
    [
        "Latency of calls: corrected from the due time, service from the send",
        "all calls",
        "MeterValues",
        "Phases of getting connected",
        "RemoteStartTransaction",
        "Messages that waited offline",
        "230 x refused 503",
        "not before the end",
        "Generator: at most",
        "812 starts and 640 stops were acknowledged",
        "LT000012 got the answer to 3a-17 of LT000058",
        "p99 of Authorize in hold",
        "at most 500 ms",
    ],
)
def test_the_summary_shows_each_part(words: str) -> None:
    made = failing()
    made.storms[0] = replace(made.storms[0], recovered_s=None)
    assert words in shown(made)


def test_texts_of_the_central_system_are_printed_as_they_are() -> None:
    made = results(errors=Counter({"Authorize [bold]x[/bold] [/red]": 1}))
    assert "1 x Authorize [bold]x[/bold] [/red]" in shown(made)


def test_a_run_without_any_call_has_a_summary_too() -> None:
    made = small([], exit_code=130, seconds=12.0, ended="interrupted")
    assert shown(made).splitlines()[-1].startswith("INTERRUPTED: The run was stopped after 12.0 s")


def test_checks_that_were_left_out_are_named_with_the_reason() -> None:
    made = results(history=HistoryReport(left_out="no admin API was given"))
    assert "What the central system stored was not compared: no admin API was given." in shown(made)


def test_the_certificate_table_is_printed_only_if_the_scenario_wants_it() -> None:
    assert "0.39" not in shown(results())
    assert "0.39" in shown(results(scenario=replace(SCENARIO, table="certificate")))


def test_a_terminal_breaks_long_sentences_between_words() -> None:
    stream = StringIO()
    show(failing(), Console(file=stream, width=100, force_terminal=True, color_system=None))
    assert max(map(len, stream.getvalue().splitlines())) <= 100
    assert max(map(len, shown(failing()).splitlines())) > 140


@pytest.mark.parametrize(
    ("exit_code", "words"),
    [
        (0, None),
        (3, "restart at 1:05 ended with 3; its output"),
        (None, "restart at 1:05 ran out of time; its"),
    ],
)
def test_an_action_that_failed_is_named(exit_code: int | None, words: str | None) -> None:
    action = ActionReport(name="restart", at=65.0, seconds=1.0, exit_code=exit_code, output="")
    text = shown(results(actions=[action]))
    assert ("restart at" in text) == (words is not None)
    assert (words or "") in text
