"""Histograms of durations: how they are counted, saved, added and read.

During a run, durations in microseconds are collected in arrays, and counted in batches by the first bits of
their floating-point numbers: 11 bits of exponent and, for three digits, 10 bits of mantissa. From 1 ms on,
these are the buckets of an HdrHistogram of the same digits. Below, its buckets are whole microseconds, which
lie on borders of ours. So a batch has the same HdrHistogram as its values one by one, at a tenth of the time.
"""

import binascii
import zlib
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, repeat
from math import ceil
from operator import rshift
from struct import pack, unpack
from typing import Final, Self

from hdrh.codec import HdrCookieException, HdrLengthException
from hdrh.histogram import HdrHistogram

LOWEST_US: Final = 1
HIGHEST_US: Final = 86_400_000_000
DIGITS: Final = 3
SLICE_DIGITS: Final = 2
_SHIFT: Final = {DIGITS: 42, SLICE_DIGITS: 45}
_BITS: Final = {DIGITS: 11, SLICE_DIGITS: 8}
"""A bucket has the values that are equal in their first so many bits."""
_COARSER: Final = _SHIFT[SLICE_DIGITS] - _SHIFT[DIGITS]
_DAMAGES = (
    HdrCookieException,
    HdrLengthException,
    binascii.Error,
    zlib.error,
    ValueError,
    IndexError,
    MemoryError,
    OverflowError,
)


class BadHistogram(ValueError):  # noqa: N818  it says what happened
    """A saved histogram cannot be read."""


def count_buckets(microseconds: "array[float]") -> Counter[int]:
    """Count values of an array of doubles by their buckets of three digits."""
    return Counter(map(rshift, memoryview(microseconds).cast("B").cast("Q"), repeat(_SHIFT[DIGITS])))


def coarsen(buckets: Mapping[int, int]) -> Counter[int]:
    """Return the buckets of two digits."""
    coarse: Counter[int] = Counter()
    for bucket, number in buckets.items():
        coarse[bucket >> _COARSER] += number
    return coarse


class Distribution:
    """Values with their numbers, in ascending order. All results are in seconds.

    A percentile is the nearest rank: the least bucket up to which at least that share of the values lie. It
    is the greatest value of its bucket, so that a percentile is never shown smaller than it was.
    """

    __slots__ = ("_bits", "_counts", "_ranks", "_values", "total")

    def __init__(self, counts: Mapping[int, int], digits: int = DIGITS) -> None:
        """Take the number of values of each bucket by its least value in microseconds."""
        self._bits = _BITS[digits]
        self._values = sorted(counts)
        self._counts = [counts[value] for value in self._values]
        self._ranks = list(accumulate(self._counts))
        self.total = self._ranks[-1] if self._ranks else 0

    @classmethod
    def of_buckets(cls, buckets: Mapping[int, int], digits: int = DIGITS) -> Self:
        return cls(_by_value(buckets, digits), digits)

    @classmethod
    def of_hdr(cls, saved: Iterable[str]) -> Self:
        """Read saved histograms of the same digits, and add them up. Raises BadHistogram."""
        histograms = [_decode(each) for each in saved]
        total: Counter[int] = Counter()
        for each in histograms:
            total.update(_read_counts(each))
        return cls(total, _find_digits(histograms))

    def at(self, percentile: float) -> float:
        """Return a percentile, which is from 0 to 100. There must be values."""
        rank = max(1, ceil(self.total * percentile / 100 - 1e-6))
        return self._greatest(self._values[bisect_left(self._ranks, rank)])

    @property
    def least(self) -> float:
        return self._values[0] / 1e6

    @property
    def greatest(self) -> float:
        return self._greatest(self._values[-1])

    @property
    def mean(self) -> float:
        """Return the mean, in which each value counts as the middle of its bucket."""
        middles = (value + self._width(value) // 2 for value in self._values)
        return (
            sum(middle * number for middle, number in zip(middles, self._counts, strict=True))
            / self.total
            / 1e6
        )

    def _greatest(self, value: int) -> float:
        return (value + self._width(value) - 1) / 1e6

    def _width(self, value: int) -> int:
        return 1 << max(0, value.bit_length() - self._bits)


def encode(buckets: Mapping[int, int], digits: int = DIGITS) -> str:
    """Return an HdrHistogram in its base64 form."""
    histogram = HdrHistogram(LOWEST_US, HIGHEST_US, digits)
    for value, number in _by_value(buckets, digits).items():
        histogram.record_value(value, number)
    return _encode(histogram)


def add(saved: Iterable[str]) -> str:
    """Return the sum of some saved histograms of the same digits, without loss. Raises BadHistogram."""
    histograms = [_decode(each) for each in saved]
    _find_digits(histograms)
    first, *others = histograms
    for other in others:
        first.add(other)
    return _encode(first)


def _by_value(buckets: Mapping[int, int], digits: int) -> dict[int, int]:
    """Return the numbers of values by the least whole number of microseconds of their buckets."""
    values: Counter[int] = Counter()
    for bucket, number in buckets.items():
        least = unpack("d", pack("Q", bucket << _SHIFT[digits]))[0]
        values[min(HIGHEST_US, max(LOWEST_US, int(least)))] += number
    return values


def _encode(histogram: HdrHistogram) -> str:
    return str(histogram.encode(), "ascii")


def _decode(saved: str) -> HdrHistogram:
    try:
        histogram = HdrHistogram.decode(saved)
    except _DAMAGES as error:
        raise BadHistogram(f"a histogram cannot be read: {error or type(error).__name__}") from None
    range_ = (histogram.lowest_trackable_value, histogram.highest_trackable_value)
    if range_ != (LOWEST_US, HIGHEST_US) or histogram.significant_figures not in _BITS:
        raise BadHistogram(
            f"a histogram is from {range_[0]} to {range_[1]} us with {histogram.significant_figures} digits; "
            f"this release makes {LOWEST_US} to {HIGHEST_US} us with {DIGITS} or {SLICE_DIGITS} digits"
        )
    return histogram


def _find_digits(histograms: Sequence[HdrHistogram]) -> int:
    digits = {int(each.significant_figures) for each in histograms} or {DIGITS}
    if len(digits) > 1:
        raise BadHistogram("histograms of two and of three digits cannot be added")
    return digits.pop()


def _read_counts(histogram: HdrHistogram) -> dict[int, int]:
    return {
        histogram.get_value_from_index(index): number
        for index, number in enumerate(histogram.counts[:])
        if number
    }
