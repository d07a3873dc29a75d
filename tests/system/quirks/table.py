"""The rows of docs/known-faults.md: number, word, counted faults and the effect of strict mode."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from gateway.ocpp16.errors import CODES
from tests.system.quirks.scene import Scene

type Word = Literal["repaired", "tolerated", "refused", "not detectable"]
type Play = Callable[[Scene], Awaitable[None]]

SAME = "the same"
QUIRKS: dict[int, "Quirk"] = {}


@dataclass(frozen=True)
class Quirk:
    """A row.

    `faults` are counted for a lenient charge point. They are also counted for a strict charge point if strict
    mode does not refuse it.

    `nobodys` are faults that are counted only in the metric, because the charge point is not known.
    """

    number: int
    word: Word
    faults: frozenset[str]
    strict: str
    strict_faults: frozenset[str]
    nobodys: frozenset[str]
    play: Play

    def __str__(self) -> str:
        return f"Q{self.number}"


def quirk(
    number: int,
    word: Word,
    *faults: str,
    strict: str = SAME,
    strict_faults: tuple[str, ...] | None = None,
    nobodys: tuple[str, ...] = (),
) -> Callable[[Play], Play]:
    """Register the row that a function plays.

    If strict mode answers with CALLERROR, the default of `strict_faults` is `payload_invalid`.
    """
    if strict_faults is None:
        strict_faults = ("payload_invalid",) if strict in CODES else faults

    def register(play: Play) -> Play:
        assert number not in QUIRKS
        QUIRKS[number] = Quirk(
            number, word, frozenset(faults), strict, frozenset(strict_faults), frozenset(nobodys), play
        )
        return play

    return register
