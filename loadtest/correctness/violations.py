"""Violations that were found: the first of each kind in words, and the exact number of all."""

from collections import Counter

from loadtest.results import Found, Violation

_SHOWN_MAX = 50
"""Violations of one kind that are kept in words."""


class Violations:
    __slots__ = ("counts", "shown")

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.shown: list[Found] = []

    def add(self, kind: Violation, words: str, at: float = 0.0) -> None:
        self.counts[kind] += 1
        if self.counts[kind] <= _SHOWN_MAX:
            self.shown.append(Found(kind, words, round(at, 3)))
