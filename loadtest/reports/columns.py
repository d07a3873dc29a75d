"""What happened over time, in as many columns as a plot can show."""

from collections.abc import Sequence
from math import ceil

from msgspec import Struct

from loadtest.measuring.histograms import Distribution
from loadtest.results import Results

MOST = 180


class Column(Struct, frozen=True, kw_only=True):
    """Latencies are None if no call was answered. `connected` and `booted` are numbers at the end."""

    begin: float
    end: float
    mean: float | None
    p50: float | None
    p99: float | None
    max: float | None
    calls: float
    errors: float
    handshakes: float
    connected: int
    booted: int

    @property
    def middle(self) -> float:
        return (self.begin + self.end) / 2


def columns(results: Results, most: int = MOST) -> list[Column]:
    """Put slices together until there are at most `most` columns. Rates are per second."""
    slices = results.slices
    lists: tuple[Sequence[object], ...] = (
        slices.connected, slices.booted, slices.calls, slices.errors, slices.handshakes, slices.hdr,
    )  # fmt: skip
    number = max(map(len, lists))
    width = max(1, ceil(number / most))
    found = []
    for first in range(0, number, width):
        here = slice(first, first + width)
        seconds = len(range(first, min(first + width, number))) * slices.length
        latencies = Distribution.of_hdr(slices.hdr[here])
        found.append(
            Column(
                begin=first * slices.length,
                end=first * slices.length + seconds,
                mean=latencies.mean if latencies.total else None,
                p50=latencies.at(50) if latencies.total else None,
                p99=latencies.at(99) if latencies.total else None,
                max=latencies.greatest if latencies.total else None,
                calls=sum(slices.calls[here]) / seconds,
                errors=sum(slices.errors[here]) / seconds,
                handshakes=sum(slices.handshakes[here]) / seconds,
                connected=_last(slices.connected[here]),
                booted=_last(slices.booted[here]),
            )
        )
    return found


def _last(numbers: Sequence[int]) -> int:
    return numbers[-1] if numbers else 0
