from collections import Counter
from typing import get_args

import pytest
from msgspec.structs import replace

from loadtest.reports.meanings import describe_run, meaning_of
from loadtest.results import Phase
from loadtest.scenario.model import Measure, Threshold
from tests.support.loadtest_results import SCENARIO, results, small


def test_a_run_is_described_without_any_term_of_statistics() -> None:
    made = results(counts=Counter(failed=3), seconds=1800.0)
    words = describe_run(made)
    assert words.startswith(
        "The central system answered 136,800 calls of 2,000 charge points in 30 min. Half of"
    )
    assert ", 99 of 100 within " in words
    assert words.endswith(" 3 calls failed.")
    assert describe_run(replace(made, counts=Counter())).endswith(" No call failed.")


def test_a_run_without_an_answer_says_so() -> None:
    assert describe_run(small([], seconds=60.0)) == (
        "The central system answered no call of 2,000 charge points in 60 s."
    )


@pytest.mark.parametrize("measure", get_args(Measure.__value__))
def test_each_measure_has_a_meaning(measure: Measure) -> None:
    assert meaning_of(Threshold(measure=measure, most=1), SCENARIO)


@pytest.mark.parametrize("phase", get_args(Phase.__value__))
def test_each_phase_of_a_connection_has_a_meaning(phase: Phase) -> None:
    words = meaning_of(Threshold(measure="p95", of=phase, most=1), SCENARIO)
    assert words.startswith("the time that 95 of 100 connections took at most: ")


@pytest.mark.parametrize(
    ("threshold", "words"),
    [
        (
            Threshold(measure="p99", of="Authorize"),
            "the time that 99 of 100 Authorize calls took at most, from when each was due until its answer",
        ),
        (
            Threshold(measure="mean", clock="service"),
            "the average time of calls, from when each was sent until its answer",
        ),
        (
            Threshold(measure="max", of="RemoteStartTransaction"),
            "the longest time of RemoteStartTransaction commands, from when each was sent until its answer",
        ),
        (Threshold(measure="calls", of="StopTransaction"), "how many StopTransaction calls were answered"),
        (
            Threshold(measure="error_share", of="Authorize"),
            "the share of Authorize calls that got an error or no answer",
        ),
        (
            Threshold(measure="error_share", of="RemoteStartTransaction"),
            "the share of RemoteStartTransaction commands that ended otherwise than the scenario expects",
        ),
        (
            Threshold(measure="errors"),
            "how many calls and commands failed, and how many connections were refused or lost",
        ),
        (
            Threshold(measure="calls", of="tls"),
            "how often this was measured: the TLS handshake",
        ),
    ],
)
def test_a_meaning_names_what_was_measured_and_from_when(threshold: Threshold, words: str) -> None:
    assert meaning_of(threshold, SCENARIO) == words
