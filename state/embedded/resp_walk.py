"""Find out where an append-only file ends well: a pure walk over its commands.

A file that a crash cut short ends in the middle of a command, and everything before that command is whole.
Any other deviation is damage. A length that was changed into a larger one looks like a file that ends too
early, too, but then whole commands follow it.
"""

import re
from mmap import mmap
from typing import Literal, NamedTuple

_LINE_MAX = 32
_BULK_MAX = 512 << 20
_NUMBER = re.compile(rb"[1-9]\d{0,18}|0")
_COMMAND = re.compile(rb"\r\n\*[1-9]\d{0,6}\r\n\$\d{1,9}\r\n")
_CANDIDATES = 1_000


class Walk(NamedTuple):
    """Up to `good`, the file consists of whole commands. `problem` is what follows, at `at`."""

    good: int
    problem: Literal["", "torn", "damaged"] = ""
    at: int = 0


class _Torn(Exception):  # noqa: N818  not an error
    pass


class _Damaged(Exception):  # noqa: N818  not an error
    pass


def walk(data: bytes | mmap, start: int = 0) -> Walk:
    """Walk from `start`, where a command must begin, to the end.

    Half of a MULTI block counts as torn, because the server executes all of a block or nothing.
    """
    at = good = start
    block = False
    while at < len(data):
        try:
            end, name = _read_command(data, at)
        except _Torn:
            if _has_command(data, at + 1):
                return Walk(good, "damaged", at)
            return Walk(good, "torn", at)
        except _Damaged:
            return Walk(good, "damaged", at)
        at = end
        if name == b"MULTI":
            block = True
        elif name == b"EXEC":
            block = False
        if not block:
            good = at
    return Walk(good, "torn", at) if block else Walk(good)


def _has_command(data: bytes | mmap, start: int) -> bool:
    """Return whether a whole command begins anywhere at or after `start`."""
    for _ in range(_CANDIDATES):
        found = _COMMAND.search(data, start)
        if found is None:
            return False
        start = found.start() + 2
        try:
            _read_command(data, start)
        except (_Torn, _Damaged):
            continue
        return True
    return False


def _read_command(data: bytes | mmap, at: int) -> tuple[int, bytes]:
    """Return the end of the command at `at`, and its name. A line of annotation has an empty name."""
    if data[at : at + 1] == b"#":
        end = data.find(b"\n", at)
        if end < 0:
            raise _Torn
        return end + 1, b""
    count, at = _read_number(data, at, b"*")
    if not count:
        raise _Damaged
    name = b""
    for index in range(count):
        length, at = _read_number(data, at, b"$")
        if length > _BULK_MAX:
            raise _Damaged
        end = at + length
        if not b"\r\n".startswith(data[end : end + 2]):
            raise _Damaged
        if end + 2 > len(data):
            raise _Torn
        if not index:
            name = data[at : min(end, at + 16)].upper()
        at = end + 2
    return at, name if count == 1 else b""


def _read_number(data: bytes | mmap, at: int, mark: bytes) -> tuple[int, int]:
    line = data[at : at + _LINE_MAX]
    if not line:
        raise _Torn
    if line[:1] != mark:
        raise _Damaged
    end = line.find(b"\r\n")
    number = line[1:end] if end > 0 else line[1:]
    if end > 0 and _NUMBER.fullmatch(number):
        return int(number), at + end + 2
    if end < 0 and len(line) < _LINE_MAX and re.fullmatch(rb"(?:\d{1,19}\r?)?", number):
        raise _Torn
    raise _Damaged
