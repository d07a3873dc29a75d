"""What a leg gets: its scale, a fresh directory, seeded dice, and a report to fill."""

import random
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.system.central import Central


@dataclass
class Report:
    """What a leg measured, and which of its demands did not hold."""

    figures: list[tuple[str, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    skipped: str | None = None
    """Why the leg could not be played here."""

    def figure(self, name: str, value: object) -> None:
        text = f"{value:.3g}" if isinstance(value, float) else str(value)
        self.figures.append((name, text))

    def require(self, holds: bool, demand: str) -> None:  # noqa: FBT001  reads like an assertion
        """Note the demand as failed if it does not hold. The leg goes on and measures the rest."""
        if not holds:
            self.failures.append(demand)


class Skipped(Exception):  # noqa: N818  it says what happened
    """Raised by a leg that cannot be played here. The text says why."""


class Bench:
    def __init__(
        self, directory: Path, scale: float, seed: int, *, minutes: float | None, aloud: bool
    ) -> None:
        """`minutes` replaces the length of a soak. `aloud` writes the progress on stderr."""
        self.directory = directory
        self.scale = scale
        self.dice = random.Random(seed)
        self.seed = seed
        self.minutes = minutes
        self.report = Report()
        self._central: Central | None = None
        self._aloud = aloud
        self._began = time.monotonic()

    @property
    def central(self) -> Central:
        assert self._central is not None, "this leg has no central system; say central=True"
        return self._central

    @central.setter
    def central(self, central: Central) -> None:
        self._central = central

    def scaled(self, full: int, *, least: int = 1) -> int:
        """Return a number of the acceptance at this run's scale."""
        return max(least, round(full * self.scale))

    def scaled_s(self, full: float, *, least: float = 1.0) -> float:
        return max(least, full * min(1.0, self.scale))

    def say(self, text: str) -> None:
        if self._aloud:
            print(f"  {time.monotonic() - self._began:6.1f} s  {text}", file=sys.stderr, flush=True)  # noqa: T201

    def figure(self, name: str, value: object) -> None:
        self.report.figure(name, value)
        self.say(f"{name}: {self.report.figures[-1][1]}")

    def require(self, holds: bool, demand: str) -> None:  # noqa: FBT001  reads like an assertion
        self.report.require(holds, demand)
        if not holds:
            self.say(f"FAILED: {demand}")


@dataclass(frozen=True)
class Leg:
    """One leg. `criterion` quotes the acceptance, and `minutes` is its run time at scale 1."""

    name: str
    sentence: str
    criterion: str
    minutes: float
    central: bool
    play: Callable[[Bench], Awaitable[None]]


LEGS: dict[str, Leg] = {}


def leg(
    name: str, *, criterion: str, minutes: float, central: bool = True
) -> Callable[[Callable[[Bench], Awaitable[None]]], Callable[[Bench], Awaitable[None]]]:
    """Register an async function as a leg. The first line of its docstring is the leg's sentence.

    With `central`, the leg finds a running store and admin process in `bench.central`.
    """

    def register(play: Callable[[Bench], Awaitable[None]]) -> Callable[[Bench], Awaitable[None]]:
        sentence = (play.__doc__ or "").strip().partition("\n")[0]
        LEGS[name] = Leg(name, sentence, criterion, minutes, central, play)
        return play

    return register
