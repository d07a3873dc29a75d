"""What happened over time, in a bounded number of slices.

Slices begin with a length of one second. When there are too many, neighbours become one slice, and the length
doubles. Parts of a run with different lengths therefore still add up: the finer one is made coarser.
"""

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from loadtest.measuring.histograms import SLICE_DIGITS, add, encode
from loadtest.results import Slices

SLICES_MAX: Final = 600
"""An even number, so that whole slices remain when neighbours become one."""


@dataclass(slots=True)
class Second:
    """What happened in one second. `connected` and `booted` are the numbers at its end."""

    connected: int = 0
    booted: int = 0
    calls: int = 0
    errors: int = 0
    handshakes: int = 0
    buckets: Counter[int] = field(default_factory=Counter)
    """Corrected latencies of its calls, in buckets of two digits."""


class SliceList:
    """The slices of a process, to which seconds are added one after the other."""

    def __init__(self) -> None:
        self._length = 1
        self._seconds = 0
        self._slices: list[_Slice] = []

    def add(self, second: Second) -> None:
        if self._seconds % self._length == 0:
            if len(self._slices) == SLICES_MAX:
                self._halve()
            self._slices.append(_Slice(second))
        else:
            self._slices[-1] = self._slices[-1].followed_by(_Slice(second))
        self._seconds += 1

    def finish(self) -> Slices:
        slices = self._slices
        return Slices(
            length=float(self._length),
            connected=[each.connected for each in slices],
            booted=[each.booted for each in slices],
            calls=[each.calls for each in slices],
            errors=[each.errors for each in slices],
            handshakes=[each.handshakes for each in slices],
            hdr=[encode(each.unpack(), SLICE_DIGITS) for each in slices],
        )

    def _halve(self) -> None:
        pairs = zip(self._slices[::2], self._slices[1::2], strict=True)
        self._slices = [first.followed_by(second) for first, second in pairs]
        self._length *= 2


class _Slice:
    """A slice in little memory: its buckets are two arrays in one."""

    __slots__ = ("booted", "buckets", "calls", "connected", "errors", "handshakes")

    def __init__(self, second: Second) -> None:
        self.connected = second.connected
        self.booted = second.booted
        self.calls = second.calls
        self.errors = second.errors
        self.handshakes = second.handshakes
        self.buckets = _pack(second.buckets)

    def followed_by(self, next_: "_Slice") -> "_Slice":
        return _Slice(
            Second(
                next_.connected,
                next_.booted,
                self.calls + next_.calls,
                self.errors + next_.errors,
                self.handshakes + next_.handshakes,
                self.unpack() + next_.unpack(),
            )
        )

    def unpack(self) -> Counter[int]:
        half = len(self.buckets) // 2
        return Counter(dict(zip(self.buckets[:half], self.buckets[half:], strict=True)))


def _pack(buckets: Mapping[int, int]) -> "array[int]":
    return array("Q", [*buckets, *buckets.values()])


def merge_slices(parts: Sequence[Slices]) -> Slices:
    """Add up the slices of parts that began together. Raises BadHistogram.

    A part that ended before the others has no connections in the slices after its last one.
    """
    length = max(part.length for part in parts)
    columns = [_lengthen(part, length) for part in parts]
    number = max(len(each.calls) for each in columns)
    return Slices(
        length=length,
        connected=_sum(number, [each.connected for each in columns]),
        booted=_sum(number, [each.booted for each in columns]),
        calls=_sum(number, [each.calls for each in columns]),
        errors=_sum(number, [each.errors for each in columns]),
        handshakes=_sum(number, [each.handshakes for each in columns]),
        hdr=[add([each.hdr[at] for each in columns if at < len(each.hdr)]) for at in range(number)],
    )


def _sum(number: int, columns: Sequence[Sequence[int]]) -> list[int]:
    return [sum(column[at] for column in columns if at < len(column)) for at in range(number)]


def _lengthen(part: Slices, length: float) -> Slices:
    """Return the slices with a greater length. The last one may be of a shorter time."""
    group = round(length / part.length)
    if group == 1:
        return part
    groups = [slice(at, at + group) for at in range(0, len(part.calls), group)]
    return Slices(
        length=length,
        connected=[part.connected[each][-1] for each in groups],
        booted=[part.booted[each][-1] for each in groups],
        calls=[sum(part.calls[each]) for each in groups],
        errors=[sum(part.errors[each]) for each in groups],
        handshakes=[sum(part.handshakes[each]) for each in groups],
        hdr=[add(part.hdr[each]) for each in groups],
    )
