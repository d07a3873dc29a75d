"""The stored form of a block: many messages of meter values in columns, and then deflate.

Messages of one charge point mostly differ in a few numbers. So each text is split at its numbers. Texts with
the same parts between the numbers share these parts (a template), and each number has its place in a column
of the template. A column of integers is stored as differences if they are smaller. A text that shares its
template with few others is stored as it is. Unpacking gives the same bytes for any texts.

`encode` and `decode` are generators. They yield often, so that a caller can let other tasks run in between.
"""

import re
import zlib
from collections.abc import Generator, Iterable, Sequence
from functools import reduce
from itertools import accumulate, pairwise, zip_longest
from typing import NamedTuple

import msgspec

from state import compact

MESSAGES = 256
"""Greatest number of messages in a block."""
BYTES = 1 << 20
"""Greatest length of all texts of a block together, unless one text alone is longer."""

_VERSION = b"\x01"
_UNPACKED_MAX = 1 << 24
_NUMBER = re.compile(rb"([0-9]{1,15})")
_FEW = 3
"""Greatest number of texts with the same template that are stored as they are."""
_LONG = 1 << 14
_NUMBERS = 500
_TEMPLATES = 16
"""Longer texts, texts with more numbers, and the texts of further templates are stored as they are.

Otherwise a charge point could send texts that take milliseconds in one piece.
"""
_ORDERS = 3
"""A column is stored as its values, as their differences, or as the differences of these."""
_TURN = 16
"""Messages that are handled before other tasks may run."""

type Slices[T] = Generator[None, None, T]


class Message(NamedTuple):
    received_ms: int
    text: bytes


class _Column(msgspec.Struct, frozen=True, array_like=True):
    """A column of integers.

    `digits` is the length of each number if all have the same length, and otherwise 0. `heads` are the first
    values of each order of differences. The rest are differences from `least`. They are stored in `data`:
    as the digits of one large number with this `radix`, or byte by byte if `radix` is 0. If some numbers have
    leading zeros and not all have the same length, `odd` has all of them as texts.
    """

    digits: int
    heads: list[int]
    least: int
    radix: int
    data: bytes
    odd: list[bytes] = []


class _Template(msgspec.Struct, frozen=True, array_like=True):
    """The parts between the numbers, and a column for each number."""

    parts: list[bytes]
    columns: list[_Column]


class _Block(msgspec.Struct, frozen=True, array_like=True):
    """`template_of` has the number of each message's template from 1. The texts with 0 are in `alone`."""

    count: int
    received: _Column
    template_of: _Column
    templates: list[_Template]
    alone: list[bytes]


_decode = msgspec.msgpack.Decoder(_Block).decode


def deflate(encoded: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, compact.DICTIONARY)
    return _VERSION + compressor.compress(encoded) + compressor.flush()


def inflate(stored: bytes) -> bytes:
    """Return what `deflate` compressed.

    Raises ValueError if the version is unknown or the bytes are damaged.
    """
    if stored[:1] != _VERSION:
        raise ValueError(f"the block has version {stored[:1]!r}; this program reads only {_VERSION!r}")
    return compact.inflate(stored[1:], _UNPACKED_MAX)


def encode(messages: Sequence[Message]) -> Slices[bytes]:
    split: dict[tuple[bytes, ...], list[int]] = {}
    numbers: list[list[bytes]] = []
    for place, message in enumerate(messages):
        parts = _NUMBER.split(message.text) if len(message.text) <= _LONG else []
        numbers.append(parts[1::2])
        if 0 < len(parts) <= 2 * _NUMBERS:
            split.setdefault(tuple(parts[::2]), []).append(place)
        if place % _TURN == 0 or len(parts) > _NUMBERS:
            yield
    template_of = [0] * len(messages)
    templates: list[_Template] = []
    for parts_between, places in split.items():
        if len(places) <= _FEW or len(templates) == _TEMPLATES:
            continue
        columns: list[_Column] = []
        for column in zip(*(numbers[place] for place in places), strict=True):
            columns.append(_pack_numbers(column))
            yield
        templates.append(_Template(list(parts_between), columns))
        for place in places:
            template_of[place] = len(templates)
    alone = [message.text for message, number in zip(messages, template_of, strict=True) if not number]
    received = _pack_integers([message.received_ms for message in messages])
    return msgspec.msgpack.encode(
        _Block(len(messages), received, _pack_integers(template_of), templates, alone)
    )


def decode(encoded: bytes) -> Slices[list[Message]]:
    """Return the messages that `encode` encoded. Raises ValueError if the bytes are damaged."""
    block = _decode(encoded)
    received, template_of = (
        _unpack_integers(one, block.count) for one in (block.received, block.template_of)
    )
    texts = [iter(block.alone)]
    for template in block.templates:
        count = template_of.count(len(texts))
        woven: list[Iterable[bytes]] = []
        for part, column in zip_longest(template.parts, template.columns):
            woven.append((part,) * count)
            if column is not None:
                woven.append(column.odd or _unpack_numbers(column, count))
            yield
        texts.append(map(b"".join, zip(*woven, strict=True)))
    messages = []
    for place, (at_ms, number) in enumerate(zip(received, template_of, strict=True)):
        messages.append(Message(at_ms, next(texts[number])))
        if place % _TURN == 0:
            yield
    return messages


def _pack_numbers(column: Sequence[bytes]) -> _Column:
    lengths = {len(number) for number in column}
    if len(lengths) == 1:
        return _pack_integers([int(number) for number in column], lengths.pop())
    if any(number[:1] == b"0" and number != b"0" for number in column):
        return _Column(0, [], 0, 0, b"", list(column))
    return _pack_integers([int(number) for number in column])


def _unpack_numbers(column: _Column, count: int) -> list[bytes]:
    values = _unpack_integers(column, count)
    if column.digits:
        return [b"%0*d" % (column.digits, value) for value in values]
    return [b"%d" % value for value in values]


def _pack_integers(values: list[int], digits: int = 0) -> _Column:
    heads: list[int] = []
    orders: list[tuple[int, int, int, list[int]]] = []
    while values and len(orders) < _ORDERS:
        least = min(values)
        bits = (max(values) - least).bit_length() * len(values)
        orders.append((bits, len(heads), least, values))
        heads.append(values[0])
        values = [after - before for before, after in pairwise(values)]
    if not orders:
        return _Column(digits, [], 0, 0, b"")
    _, order, least, rest = min(orders)
    radix, data = _write([value - least for value in rest])
    return _Column(digits, heads[:order], least, radix, data)


def _unpack_integers(column: _Column, count: int) -> list[int]:
    values = [column.least + value for value in _read(column.radix, column.data, count - len(column.heads))]
    for head in reversed(column.heads):
        values = list(accumulate(values, initial=head))
    return values


def _write(values: list[int]) -> tuple[int, bytes]:
    """Return the radix and the data of integers that are not negative, in the shorter of two forms."""
    largest = max(values, default=0)
    width = (largest.bit_length() + 7) // 8
    planes = b"".join([bytes([value >> shift & 255 for value in values]) for shift in range(0, 8 * width, 8)])
    radix = largest + 1
    number = reduce(lambda total, value: total * radix + value, reversed(values), 0)
    data = number.to_bytes((number.bit_length() + 7) // 8, "little")
    return (radix, data) if len(data) < len(zlib.compress(planes, wbits=-15)) else (0, planes)


def _read(radix: int, data: bytes, count: int) -> list[int]:
    if radix:
        number, values = int.from_bytes(data, "little"), []
        for _ in range(count):
            number, value = divmod(number, radix)
            values.append(value)
        return values
    values = [0] * count
    for start in range(0, len(data), count or 1):
        shift = start // count * 8
        values = [
            value | byte << shift for value, byte in zip(values, data[start : start + count], strict=True)
        ]
    return values
