"""A place in a tenant's events: how far the stream of each partition was read.

Each partition advances independently, by the clock of its own server. So a cursor holds the last id that was
read in each partition. A reader with this cursor misses no event, even if the event is appended in the
millisecond of the last event that was read, or by a server whose clock is behind.
"""

import base64
import binascii
from collections.abc import Mapping
from io import BytesIO
from typing import NamedTuple, Self

from state.keys import PARTITIONS

Position = tuple[int, int]
"""The id of a stream's entry: Unix milliseconds and a number."""

TEXT_MAX = 6000
"""Longest cursor in characters.

A cursor for 256 busy partitions takes about 1,000 characters, and a cursor for a handful of partitions takes
about 60.
"""
_VERSION = 1
_BITMAP = PARTITIONS // 8
_MS_BITS, _NUMBER_BITS = 48, 64


class Cursor(NamedTuple):
    """All events up to `complete_ms` (server time) were read.

    A partition without a position was empty at that time.
    """

    complete_ms: int
    positions: Mapping[int, Position]

    def encode(self) -> str:
        """Write the cursor as url-safe text.

        The text has a base time in milliseconds, and the difference of each partition from that base.
        """
        base = max([self.complete_ms, *(ms for ms, _ in self.positions.values())])
        bitmap = bytearray(_BITMAP)
        deltas = bytearray()
        for partition in sorted(self.positions):
            ms, number = self.positions[partition]
            bitmap[partition // 8] |= 1 << partition % 8
            # The number is nearly always 0, and a 0 takes no space.
            _write(deltas, (base - ms) << 1 | (number > 0))
            if number:
                _write(deltas, number)
        head = bytearray((_VERSION,))
        _write(head, base)
        _write(head, base - self.complete_ms)
        return base64.urlsafe_b64encode(head + bitmap + deltas).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a text that `encode` wrote. Raises ValueError for any other text."""
        if len(text) > TEXT_MAX:
            raise ValueError(f"the event cursor has {len(text)} characters; it may have at most {TEXT_MAX}")
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(
                "the event cursor is not url-safe base64; take one that came with an event"
            ) from None
        if not raw or raw[0] != _VERSION:
            raise ValueError("the event cursor has an unknown version; take one that came with an event")
        reader = BytesIO(raw[1:])
        base = _read_number(reader, _MS_BITS)
        complete_ms = _go_back(base, _read_number(reader, _MS_BITS))
        bitmap = _read(reader, _BITMAP)
        positions = {}
        for partition in range(PARTITIONS):
            if bitmap[partition // 8] >> partition % 8 & 1:
                delta = _read_number(reader, _MS_BITS + 1)
                ms = _go_back(base, delta >> 1)
                positions[partition] = (ms, _read_number(reader, _NUMBER_BITS) if delta & 1 else 0)
        if reader.read():
            raise ValueError("the event cursor has bytes after its end; take one that came with an event")
        return cls(complete_ms, positions)


def _read(reader: BytesIO, count: int) -> bytes:
    found = reader.read(count)
    if len(found) < count:
        raise ValueError("the event cursor is cut short; take one that came with an event")
    return found


def _read_number(reader: BytesIO, bits: int) -> int:
    value = shift = 0
    while True:
        (byte,) = _read(reader, 1)
        value |= (byte & 0x7F) << shift
        shift += 7
        if value >> bits or (byte >= 0x80 and shift > bits):
            raise ValueError("the event cursor holds a number out of range; take one that came with an event")
        if byte < 0x80:
            return value


def _go_back(base: int, delta: int) -> int:
    if delta > base:
        raise ValueError("the event cursor holds a time before 1970; take one that came with an event")
    return base - delta


def _write(into: bytearray, value: int) -> None:
    while value >= 0x80:
        into.append(value & 0x7F | 0x80)
        value >>= 7
    into.append(value)
