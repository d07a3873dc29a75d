"""The checks of correctness, each with its result."""

from collections import Counter
from typing import get_args

from msgspec import Struct

from loadtest.history import Kind
from loadtest.reports.words import plural
from loadtest.results import Results, Violation

_TITLES: dict[Violation, str] = {
    "wrong_charge_point": "No charge point got the answer to another one",
    "unknown_id": "No answer had an unknown message id",
    "id_twice": "No charge point got a transaction id twice",
    "unexpected_error": "No call got an unexpected CALLERROR",
    "invalid_answer": "Each sampled answer was valid by OCPP's schema",
    "command_not_received": "Each command reached its charge point",
    "value_twice": "No meter value was stored twice",
    "value_lost": "No acknowledged meter value was lost",
    "history_unread": "The admin API showed what is stored",
}
_HISTORY: dict[Kind, str] = {
    "missing_start": "Each acknowledged start is stored",
    "missing_stop": "Each acknowledged stop is stored",
    "start_differs": "Each start is stored as it was sent",
    "stop_differs": "Each stop is stored as it was sent",
    "stored_twice": "No transaction is stored twice",
    "id_twice": "No two transactions share an id",
    "answers_differ": "A repeated start or stop got the same answer again",
    "never_sent": "Nothing is stored that no charge point sent",
}
_OF_THE_STORE: tuple[Violation, ...] = ("value_twice", "value_lost", "history_unread")
_MOST_WORDS = 10


class Check(Struct, frozen=True, kw_only=True):
    """`left_out` says why the check was not made. `words` are some of the violations."""

    kind: str
    title: str
    count: int
    words: tuple[str, ...] = ()
    left_out: str | None = None

    @property
    def failed(self) -> bool:
        return self.count > 0


def checks(results: Results) -> list[Check]:
    """Return all checks, those that were left out too."""
    return [*(_violation(results, kind) for kind in get_args(Violation.__value__)), *_history(results)]


def failed_checks(results: Results) -> list[Check]:
    return [check for check in checks(results) if check.failed]


def without_history(results: Results) -> str | None:
    """Return why what the central system stored was not read, or None if it was."""
    if results.history is None:
        return "the run ended before the stored transactions were read"
    return results.history.left_out


def describe_history(results: Results) -> str:
    """Return in one or two sentences what was compared with what the central system stored."""
    left_out, history = without_history(results), results.history
    if left_out is not None or history is None:
        return f"What the central system stored was not compared: {left_out}."
    if not history.starts and not history.stops:
        words = "No start or stop of a transaction was acknowledged, so there was none to look for."
    else:
        words = (
            f"{plural(history.starts, 'start')} and {plural(history.stops, 'stop')} were acknowledged, and "
            f"{plural(history.stored, 'transaction')} {'is' if history.stored == 1 else 'are'} stored."
        )
    if history.retried:
        words += (
            f" {history.retried:,} of these facts {_was(history.retried)} sent more than once, and "
            f"{history.replayed:,} of them {_was(history.replayed)} stored by an earlier transmission."
        )
    if history.values:
        words += f" {plural(history.values, 'acknowledged meter value')} {_was(history.values)} looked for."
    if history.partly is not None:
        words += f" Not everything was looked at: {history.partly}."
    if history.finding_count > len(history.findings):
        words += f" Of {history.finding_count:,} contradictions, {len(history.findings):,} are shown."
    return words


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _violation(results: Results, kind: Violation) -> Check:
    left_out = None
    if kind in _OF_THE_STORE:
        left_out = without_history(results)
    elif kind == "command_not_received" and not results.scenario.commands:
        left_out = "the scenario has no commands"
    elif kind == "invalid_answer" and not results.scenario.checks.schemas_share:
        left_out = "schemas_share is 0"
    words = tuple(found.words for found in results.violations if found.kind == kind)
    found = max(results.violation_counts[kind], len(words))
    return Check(
        kind=kind,
        title=_TITLES[kind],
        count=found,
        words=words[:_MOST_WORDS],
        left_out=None if found else left_out,
    )


def _history(results: Results) -> list[Check]:
    left_out = without_history(results)
    findings = () if results.history is None else results.history.findings
    counts = Counter(finding.kind for finding in findings)
    return [
        Check(
            kind=f"history_{kind}",
            title=title,
            count=counts[kind],
            words=tuple(finding.words for finding in findings if finding.kind == kind)[:_MOST_WORDS],
            left_out=left_out,
        )
        for kind, title in _HISTORY.items()
    ]
