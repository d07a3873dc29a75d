"""Outcomes of one test run, and of the cases that its tests play."""

from collections import defaultdict
from collections.abc import Generator, Iterable, Mapping
from typing import Literal, NamedTuple

import pytest

from tests.conformance.cases import CASES, Case, case_of

type Word = Literal["passed", "FAILED", "skipped"]


class Outcome(NamedTuple):
    """`why` is empty for a passed test. `phase` is pytest's word: setup, call or teardown."""

    word: Word
    why: str = ""
    phase: str = "call"


class Recorder:
    """Pytest plugin that records outcomes.

    If a test runs with several sets of parameters, its worst outcome counts.
    """

    def __init__(self) -> None:
        self._outcomes: dict[str, list[Outcome]] = defaultdict(list)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        name = item.name.partition("[")[0]
        if report.skipped and isinstance(report.longrepr, tuple):
            self._outcomes[name].append(Outcome("skipped", report.longrepr[2].removeprefix("Skipped: ")))
        elif report.failed:
            self._outcomes[name].append(Outcome("FAILED", _first_line(call), report.when))
        elif report.when == "call":
            self._outcomes[name].append(Outcome("passed"))
        return report

    def add(self, outcomes: Mapping[str, Outcome], where: str) -> None:
        """Add the outcomes of another run. `where` says in which way that run differed."""
        for name, outcome in outcomes.items():
            why = f"{where}: {outcome.why}" if outcome.why else ""
            self._outcomes[name].append(outcome._replace(why=why))

    def of_test(self, name: str) -> Outcome:
        return worst(self._outcomes.get(name, ()))

    def of_case(self, case: Case) -> Outcome:
        return worst(
            outcome
            for name, outcomes in self._outcomes.items()
            if case_of(name) == case
            for outcome in outcomes
        )

    def tests(self) -> dict[str, Outcome]:
        return {name: worst(outcomes) for name, outcomes in self._outcomes.items()}

    def cases(self) -> dict[Case, Outcome]:
        return {case: self.of_case(case) for case in CASES}

    def failed(self) -> list[str]:
        """Return the names of the tests that failed, including tests that are not cases."""
        return sorted(name for name in self._outcomes if self.of_test(name).word == "FAILED")


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the worst of the outcomes of a case or test. If there is none, it has failed."""
    found = list(outcomes)
    for word in ("FAILED", "skipped", "passed"):
        for outcome in found:
            if outcome.word == word:
                return outcome
    return Outcome("FAILED", "it was not run")


def _first_line(call: pytest.CallInfo[None]) -> str:
    error = call.excinfo.value if call.excinfo else None
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    lines = str(error).strip().splitlines()
    kind = "" if isinstance(error, AssertionError) else type(error).__name__
    return ": ".join(filter(None, (kind, lines[0][:300] if lines else "")))
