"""Latencies by action. A latency begins when a call was due, and ends when its answer came."""

from collections import Counter, defaultdict
from functools import partial

import msgspec
from hdrh.histogram import HdrHistogram

_LOWEST_US = 1
_new_histogram = partial(HdrHistogram, _LOWEST_US, 600_000_000, 3)
"""Histograms go up to 600 s and keep three significant digits."""


class Row(msgspec.Struct, frozen=True):
    """Latencies of one action, in milliseconds."""

    action: str
    calls: int
    errors: int
    mean: float
    p50: float
    p99: float
    maximum: float


class Latencies:
    """Records of latencies, in seconds.

    A latency counts from the time a call was due, so that a server that delays its clients cannot hide the
    delay.
    """

    def __init__(self) -> None:
        self.by_action: defaultdict[str, HdrHistogram] = defaultdict(_new_histogram)
        self.errors_by_action: Counter[str] = Counter()

    def record(self, action: str, seconds: float) -> None:
        self.by_action[action].record_value(max(_LOWEST_US, int(seconds * 1e6)))

    def record_error(self, action: str) -> None:
        self.errors_by_action[action] += 1

    def add(self, other: "Latencies") -> None:
        """Add the latencies of another run."""
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
        """Return one row per action, and a last row `all`."""
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
