"""The recorded ratios, and what they say about those of a run."""

import platform
import subprocess
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

FILE: Final = Path(__file__).parent / "recorded.json"
LIMIT: Final = 0.15
"""A part that changes by more than this is reported. Two runs of the same code differ by less than 1 %."""
AGAIN: Final = "python -m tests.bench.check --record"


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    date: str
    commit: str
    python: str
    machine: str
    ratios: dict[str, float]
    """Instructions of a round of each part, divided by those of a round of the calibration loop."""


class Compared(NamedTuple):
    name: str
    was: float
    now: float

    @property
    def ratio(self) -> float:
        return self.now / self.was

    @property
    def verdict(self) -> Literal["same", "dearer", "cheaper"]:
        if self.ratio > 1 + LIMIT:
            return "dearer"
        return "cheaper" if self.ratio < 1 - LIMIT else "same"


class Unmatched(Exception):  # noqa: N818  it says what is wrong
    """The parts and the recorded ratios do not belong together. The text says which and what to do."""


def make(ratios: Mapping[str, float]) -> Recorded:
    """Describe ratios of a run of this process's Python on this machine."""
    return Recorded(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        commit=_find_commit(),
        python=platform.python_version(),
        machine=platform.machine(),
        ratios={name: round(ratio, 4) for name, ratio in ratios.items()},
    )


def save(recorded: Recorded, file: Path = FILE) -> None:
    file.write_bytes(msgspec.json.format(msgspec.json.encode(recorded)) + b"\n")


def load(file: Path = FILE) -> Recorded:
    """Raises Unmatched if nothing is recorded, or if the file cannot be read."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Recorded)
    except FileNotFoundError:
        raise Unmatched(f"Nothing is recorded in {file.name}. Run `{AGAIN}`.") from None
    except msgspec.DecodeError as error:
        raise Unmatched(f"{file.name} cannot be read: {error}. Run `{AGAIN}`.") from error


def match(recorded: Recorded, known: Collection[str]) -> None:
    """Raise Unmatched unless exactly the known parts are recorded."""
    texts = [
        *(f"No ratio is recorded for the part {name}." for name in known if name not in recorded.ratios),
        *(
            f"A ratio is recorded for {name}, which is not a part."
            for name in recorded.ratios
            if name not in known
        ),
    ]
    if texts:
        raise Unmatched("\n".join((*texts, f"Record all parts again with `{AGAIN}`.")))


def compare(recorded: Recorded, ratios: Mapping[str, float]) -> list[Compared]:
    return [Compared(name, recorded.ratios[name], now) for name, now in ratios.items()]


def explain_differences(recorded: Recorded, *, python: str, machine: str) -> Iterator[str]:
    """Say why the comparison is not exact, if it is not."""
    if _minor(recorded.python) != _minor(python):
        yield f"The comparison is not exact: recorded with Python {recorded.python}, and this is {python}."
    if recorded.machine != machine:
        yield f"The comparison is not exact: recorded on {recorded.machine}, and this is {machine}."


def make_table(compared: Collection[Compared], titles: Mapping[str, str]) -> str:
    longest = max(len(one.name) for one in compared)
    lines = [f"{'part':<{longest}} {'was':>9} {'now':>9} {'now/was':>8}"]
    for one in compared:
        verdict = "" if one.verdict == "same" else one.verdict.upper()
        line = f"{one.name:<{longest}} {one.was:9.3f} {one.now:9.3f} {one.ratio:8.3f} {verdict:<8}"
        lines.append(f"{line} {titles[one.name]}")
    return "\n".join(lines)


def conclude(compared: Collection[Compared]) -> str:
    """Say in words what changed, and what to do."""
    found = {word: [one.name for one in compared if one.verdict == word] for word in ("dearer", "cheaper")}
    texts = []
    if names := found["dearer"]:
        texts.append(
            f"More than {LIMIT:.0%} dearer: {', '.join(names)}. Find the change that did it, or, if it is"
            f" worth its price, record the new ratios with `{AGAIN}`."
        )
    if names := found["cheaper"]:
        texts.append(
            f"More than {LIMIT:.0%} cheaper: {', '.join(names)}. Record the new ratios with `{AGAIN}`, so"
            " that they are not lost unseen."
        )
    return "\n".join(texts) or f"No part changed by more than {LIMIT:.0%}."


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]


def _find_commit() -> str:
    """Return the commit that is checked out, and whether files differ from it."""

    def ask(*words: str) -> str:
        done = subprocess.run(("git", *words), cwd=FILE.parent, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        commit = ask("rev-parse", "--short", "HEAD")
        changed = ask("status", "--porcelain", "--untracked-files=no", ":/", f":(exclude){FILE.name}")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit} with changes" if changed else commit
