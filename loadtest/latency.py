"""Seconds from the moment a call was due to its answer, by action."""

from collections import Counter
from typing import NamedTuple

from hdrh.histogram import HdrHistogram

_LOWEST_US = 1
_HIGHEST_US = 600_000_000
_DIGITS = 3


class Row(NamedTuple):
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
        self._by_action: dict[str, HdrHistogram] = {}
        self._errors: Counter[str] = Counter()

    def record(self, action: str, seconds: float) -> None:
        histogram = self._by_action.get(action)
        if histogram is None:
            histogram = self._by_action[action] = HdrHistogram(_LOWEST_US, _HIGHEST_US, _DIGITS)
        histogram.record_value(max(_LOWEST_US, int(seconds * 1e6)))

    def record_error(self, action: str) -> None:
        self._errors[action] += 1

    @property
    def calls(self) -> int:
        return sum(histogram.get_total_count() for histogram in self._by_action.values())

    @property
    def errors(self) -> int:
        return self._errors.total()

    def rows(self) -> list[Row]:
        """One per action, and `all` last."""
        total = HdrHistogram(_LOWEST_US, _HIGHEST_US, _DIGITS)
        rows = []
        for action in sorted(self._by_action.keys() | self._errors.keys()):
            histogram = self._by_action.get(action)
            if histogram is None:
                rows.append(Row(action, 0, self._errors[action], 0, 0, 0, 0))
                continue
            total.add(histogram)
            rows.append(_row(action, histogram, self._errors[action]))
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
