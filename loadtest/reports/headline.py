"""The verdict of a run, in one word and one sentence."""

from typing import Final

from msgspec import Struct

from loadtest.measuring.measures import LATENCIES
from loadtest.measuring.verdict import is_unanswered
from loadtest.reports.checked import failed_checks, without_history
from loadtest.reports.figures import ALL
from loadtest.reports.scales import name_latency
from loadtest.reports.words import duration, plural
from loadtest.results import Judged, Results
from loadtest.scenario.model import Measure, Threshold

STYLES: Final = {True: "bold green", False: "bold red", None: "bold yellow"}
"""The colours of a verdict on a terminal."""


class Headline(Struct, frozen=True):
    """`good` is None if the run says nothing about the central system."""

    word: str
    sentence: str
    good: bool | None


def headline(results: Results) -> Headline:
    match results.exit_code:
        case 0:
            return Headline("PASSED", _passed(results), good=True)
        case 99:
            return Headline("FAILED", f"{_missed(results)}.", good=False)
        case 4:
            return _wrong(results)
        case 3:
            reasons = "; ".join(results.invalid) or "its own limits were exceeded"
            return Headline(
                "INVALID",
                f"The generator, and not the central system, was measured: {reasons}. Repeat the run on a "
                "machine with less other work, or with fewer charge points.",
                good=None,
            )
        case 130:
            at = duration(results.seconds)
            return Headline("INTERRUPTED", f"The run was stopped after {at}, before its end.", good=None)
        case code:
            return Headline("NOT RUN", f"The run ended with exit code {code}.", good=None)


def name_of(threshold: Threshold) -> str:
    """Return what a threshold judges: `p99 of Authorize in hold`."""
    words = threshold.measure.replace("_share", " share").replace("_s", "").replace("p999", "p99.9")
    if threshold.of is not None or threshold.measure in LATENCIES:
        words += f" of {threshold.of or ALL}"
    if threshold.measure in LATENCIES and threshold.clock == "service":
        words += " (service)"
    return words if threshold.stage is None else f"{words} in {threshold.stage}"


def value_of(judged: Judged) -> str:
    """Return what was measured for a threshold, in its unit."""
    return "nothing measured" if judged.value is None else show(judged.threshold.measure, judged.value)


def bound_of(judged: Judged) -> str:
    return bounds_of(judged.threshold)


def bounds_of(threshold: Threshold) -> str:
    """Return the bounds of a threshold, in its unit."""
    return ", ".join(
        f"{words} {name_latency(bound) if _is_time(threshold.measure) else show(threshold.measure, bound)}"
        for words, bound in (("at least", threshold.least), ("at most", threshold.most))
        if bound is not None
    )


def show(measure: Measure, value: float) -> str:
    """Return a value of a measure in its unit."""
    if _is_time(measure):
        return duration(value)
    return f"{value * 100:.4g} %" if measure.endswith("_share") else f"{value:,.6g}"


def _is_time(measure: Measure) -> bool:
    return measure in LATENCIES or measure == "recovery_s"


def _passed(results: Results) -> str:
    judged = len(results.judged)
    thresholds = (
        f"{'The threshold was' if judged == 1 else f'All {judged} thresholds were'} met"
        if judged
        else "No threshold was set"
    )
    stored = "" if without_history(results) is None else ", though what is stored was not compared"
    return f"{thresholds}, no check of correctness failed{stored}, and the generator kept within its limits."


def _missed(results: Results) -> str:
    """Say first that a run was ended early, because its other numbers are then those of a part of it."""
    early = "The run was ended early, because a threshold was missed for too long" * (
        results.ended == "aborted"
    )
    missed = [judged for judged in results.judged if not judged.passed]
    if not missed and is_unanswered(results):
        return "The central system answered no call; the errors above say why"
    if not missed:
        return early or "A threshold was missed"
    worst = missed[0]
    first = (
        worst.words
        if worst.value is None
        else f"{name_of(worst.threshold)}: {value_of(worst)}, allowed {bound_of(worst)}"
    )
    total = plural(len(results.judged), "threshold")
    words = f"{len(missed)} of {total} {'was' if len(missed) == 1 else 'were'} missed ({first})"
    return f"{early}; {words}" if early else words


def _wrong(results: Results) -> Headline:
    broken = failed_checks(results)
    if [check.kind for check in broken] == ["history_unread"]:
        why = without_history(results)
        return Headline("UNCHECKED", f"The history could not be checked: {why}.", good=False)
    sentence = "The central system gave wrong answers."
    if broken:
        first = f"{broken[0].title}: {plural(broken[0].count, 'violation')}"
        sentence = f"{plural(len(broken), 'check')} of correctness failed ({first})."
    return Headline("INCORRECT", sentence, good=False)
