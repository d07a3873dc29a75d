"""Play the cases, measure response times, and write the page (`make conformance`).

The exit code is 1 if anything failed."""

import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import trio

from tests.conformance import features, page, timing
from tests.conformance.cases import case_of
from tests.conformance.laboratory import prepared
from tests.conformance.page import Page
from tests.conformance.playing import HERE, play, tests
from tests.conformance.recording import Outcome, Recorder

FILE = Path("build/conformance.html")


def main() -> int:
    recorder = play([str(HERE)])
    for profile in (2, 3):
        recorder.add(_play_under(profile), f"under security profile {profile}")
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


def _play_under(profile: int) -> dict[str, Outcome]:
    """Play the cases that do not choose a security profile themselves, under this one, in a new process."""
    nodes = [
        node
        for name, node in tests().items()
        if case_of(name) is not None and "test_security_profiles.py" not in node
    ]
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "outcomes.json")
        argv = [sys.executable, "-m", "tests.conformance.playing", str(file), *nodes]
        subprocess.run([*argv, "--security-profile", str(profile)], check=True)
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Outcome])


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
