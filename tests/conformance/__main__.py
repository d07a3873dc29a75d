"""Play the cases, measure response times, and write the page (`make conformance`).

The exit code is 1 if anything failed."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import trio

from tests.conformance import features, page, timing
from tests.conformance.cases import case_of
from tests.conformance.laboratory import prepared
from tests.conformance.page import Page
from tests.conformance.playing import HERE, play
from tests.conformance.recording import Recorder

FILE = Path("build/conformance.html")


def main() -> int:
    recorder = play([str(HERE)])
    cases = recorder.cases()
    found = Page(
        at=datetime.now(UTC),
        profiles={each.name: features.judge(each, recorder) for each in features.PROFILES},
        features={each.name: features.judge(each, recorder) for each in features.FEATURES},
        cases=cases,
        timings=_measured(),
    )
    page.write(found, FILE)
    _say(found, recorder)
    slow = [each for each in found.timings if not each.fast_enough]
    return 1 if recorder.failed() or slow or any(each.word == "FAILED" for each in cases.values()) else 0


def _measured() -> tuple[timing.Timing, ...]:
    """Measure response times on a newly started system, on which no case has run."""
    with prepared() as running:
        return trio.run(timing.measure, running)


def _say(found: Page, recorder: Recorder) -> None:
    lines = [""]
    for case, outcome in found.cases.items():
        result = f"{outcome.word}: {outcome.why}" if outcome.why else outcome.word
        lines.append(f"{case.id:<9} {case.name:<56} {result}")
    lines.append("")
    for title, outcomes in (("Profile", found.profiles), ("Feature", found.features)):
        lines += [f"{title}  {name}: {page.answer(outcome)}" for name, outcome in outcomes.items()]
    lines.append("")
    for each in found.timings:
        numbers = " ".join(
            f"{word} {page.seconds(number)} s"
            for word, number in (("min", each.minimum), ("max", each.maximum), ("average", each.average))
        )
        verdict = "" if each.fast_enough else f": TOO SLOW, the average must not exceed {timing.LIMIT_S} s"
        lines.append(f"{each.name} ({each.calls} calls): {numbers}{verdict}")
    beside = [name for name in recorder.failed() if case_of(name) is None]
    lines += [f"Beside the cases failed: {name}: {recorder.of_test(name).why}" for name in beside]
    lines += ["", f"The page is {FILE}.", page.counts(found.cases.values())]
    print("\n".join(lines))  # noqa: T201  this is what the command is asked for


if __name__ == "__main__":
    sys.exit(main())
