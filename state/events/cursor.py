"""A place in a tenant's events: how far each partition's stream was read.

Partitions advance independently, each by its own server's clock. So a cursor holds the very id that was read
last in each partition, and skips nothing that is appended in the same millisecond, or by a clock that lags.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import NamedTuple, Self

from state.keys import PARTITIONS

Position = tuple[int, int]
"""Milliseconds and number of a stream's entry."""

TEXT_MAX = 6000
"""Characters. 256 busy partitions take about 1,000, a handful take 60."""
_VERSION = 1
_BITMAP = PARTITIONS // 8
_MS_BITS, _NUMBER_BITS = 48, 64


class Cursor(NamedTuple):
    """Everything up to `complete_ms` (server time) was read; a partition without position was empty then."""

    complete_ms: int
    positions: Mapping[int, Position]

    def encode(self) -> str:
        """Write url-safe text: a base in milliseconds, and what each partition's position differs from it."""
        base = max([self.complete_ms, *(ms for ms, _ in self.positions.values())])
        bitmap = bytearray(_BITMAP)
        deltas = bytearray()
        for partition in sorted(self.positions):
            ms, number = self.positions[partition]
            bitmap[partition // 8] |= 1 << partition % 8
            # The number is nearly always 0, and costs nothing then.
            _write(deltas, (base - ms) << 1 | (number > 0))
            if number:
                _write(deltas, number)
        head = bytearray((_VERSION,))
        _write(head, base)
        _write(head, base - self.complete_ms)
        return base64.urlsafe_b64encode(head + bitmap + deltas).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `encode` wrote. Raises ValueError for anything else."""
        if len(text) > TEXT_MAX:
            raise ValueError(f"an event cursor has at most {TEXT_MAX} characters, this one has {len(text)}")
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("an event cursor is url-safe base64, as it came with an event") from None
        if not raw or raw[0] != _VERSION:
            raise ValueError("this is no event cursor of this version; take one that came with an event")
        reader = _Reader(raw, 1)
        base = reader.integer(_MS_BITS)
        complete_ms = reader.earlier(base, reader.integer(_MS_BITS))
        bitmap = reader.take(_BITMAP)
        positions = {}
        for partition in range(PARTITIONS):
            if bitmap[partition // 8] >> partition % 8 & 1:
                delta = reader.integer(_MS_BITS + 1)
                ms = reader.earlier(base, delta >> 1)
                positions[partition] = (ms, reader.integer(_NUMBER_BITS) if delta & 1 else 0)
        reader.end()
        return cls(complete_ms, positions)


class _Reader:
    def __init__(self, raw: bytes, at: int) -> None:
        self._raw = raw
        self._at = at

    def take(self, count: int) -> bytes:
        taken = self._raw[self._at : self._at + count]
        if len(taken) < count:
            raise ValueError("the event cursor is cut short")
        self._at += count
        return taken

    def integer(self, bits: int) -> int:
        value = shift = 0
        while True:
            (byte,) = self.take(1)
            value |= (byte & 0x7F) << shift
            if value >> bits:
                raise ValueError("the event cursor holds a number out of range")
            if byte < 0x80:
                return value
            shift += 7
            if shift > bits:
                raise ValueError("the event cursor holds a number out of range")

    @staticmethod
    def earlier(base: int, delta: int) -> int:
        if delta > base:
            raise ValueError("the event cursor holds a time before 1970")
        return base - delta

    def end(self) -> None:
        if self._at != len(self._raw):
            raise ValueError("the event cursor is too long for what it holds")


def _write(into: bytearray, value: int) -> None:
    while value >= 0x80:
        into.append(value & 0x7F | 0x80)
        value >>= 7
    into.append(value)
