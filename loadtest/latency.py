"""Seconds from the moment a call was due to its answer, by action."""

from collections import Counter, defaultdict
from functools import partial

import msgspec
from hdrh.histogram import HdrHistogram

_LOWEST_US = 1
_new_histogram = partial(HdrHistogram, _LOWEST_US, 600_000_000, 3)
"""Up to 600 s, to three digits."""


class Row(msgspec.Struct, frozen=True):
    """Milliseconds."""

    action: str
    calls: int
    errors: int
    mean: float
    p50: float
    p99: float
    maximum: float


class Latencies:
    """Counted from the due time, so that a server which holds up its clients does not hide its own delay."""

    def __init__(self) -> None:
        self.by_action: defaultdict[str, HdrHistogram] = defaultdict(_new_histogram)
        self.errors_by_action: Counter[str] = Counter()

    def record(self, action: str, seconds: float) -> None:
        self.by_action[action].record_value(max(_LOWEST_US, int(seconds * 1e6)))

    def record_error(self, action: str) -> None:
        self.errors_by_action[action] += 1

    def add(self, other: "Latencies") -> None:
        """Take another run's in."""
        for action, histogram in other.by_action.items():
            self.by_action[action].add(histogram)
        self.errors_by_action += other.errors_by_action

    @property
    def calls(self) -> int:
        return sum(histogram.get_total_count() for histogram in self.by_action.values())

    @property
    def errors(self) -> int:
        return self.errors_by_action.total()

    def rows(self) -> list[Row]:
        """One per action, and `all` last."""
        total = _new_histogram()
        for histogram in self.by_action.values():
            total.add(histogram)
        actions = sorted(self.by_action.keys() | self.errors_by_action.keys())
        rows = [_row(action, self.by_action[action], self.errors_by_action[action]) for action in actions]
        return [*rows, _row("all", total, self.errors)]


def _row(action: str, histogram: HdrHistogram, errors: int) -> Row:
    return Row(
        action,
        histogram.get_total_count(),
        errors,
        histogram.get_mean_value() / 1000,
        histogram.get_value_at_percentile(50) / 1000,
        histogram.get_value_at_percentile(99) / 1000,
        histogram.get_max_value() / 1000,
    )
