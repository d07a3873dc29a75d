"""What charge points noted during a run, so that the store of the central system can be judged after it.

Each process of a run writes its own file, because a long run has more meter values than its memory should
hold. The files are bounded. What is not noted is not judged, and `full` says so.
"""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

import msgspec

_MOST = 1_000_000
"""Lines of one kind in a file. A line has about 70 bytes."""
_ID_CHARACTERS = 100


class Value(msgspec.Struct, frozen=True, gc=False, tag="v", array_like=True):
    """The central system acknowledged meter values of a transaction. `at` is their timestamp, as sent."""

    charge_point: str
    transaction: int
    at: str


class Received(msgspec.Struct, frozen=True, gc=False, tag="c", array_like=True):
    """A charge point received a command. `id` is the message id of its CALL."""

    charge_point: str
    id: str
    action: str


class Full(msgspec.Struct, frozen=True, gc=False, tag="f", array_like=True):
    """No more lines of this kind were written."""

    of: Literal["values", "commands"]


type Note = Value | Received | Full
_decoder = msgspec.json.Decoder[Note](Note)


class Notes:
    """A file of notes. It is buffered, because the loss of a note only means that less is judged."""

    def __init__(self, path: Path, *, most: int = _MOST) -> None:
        self.path = path
        self._file = path.open("xb", buffering=1 << 16)
        self._encode = msgspec.json.Encoder().encode
        self._values_left = self._commands_left = most

    def value(self, charge_point: str, transaction: int, at: str) -> None:
        if self._values_left > 0:
            self._values_left -= 1
            self._file.write(self._encode(Value(charge_point, transaction, at)) + b"\n")
            if not self._values_left:
                self._file.write(self._encode(Full("values")) + b"\n")

    def command(self, charge_point: str, id_: str, action: str) -> None:
        if self._commands_left > 0:
            self._commands_left -= 1
            received = Received(charge_point, id_[:_ID_CHARACTERS], action[:_ID_CHARACTERS])
            self._file.write(self._encode(received) + b"\n")
            if not self._commands_left:
                self._file.write(self._encode(Full("commands")) + b"\n")

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class Noted(msgspec.Struct, frozen=True):
    """The notes of all processes of a run."""

    values: dict[tuple[str, int], set[int]]
    """Timestamps in milliseconds, by charge point and transactionId."""
    commands: set[tuple[str, str]]
    """Charge points and message ids."""
    full: frozenset[str]
    """`values` or `commands`, if some were not noted."""


def read_notes(paths: Iterable[Path]) -> Noted:
    """Read all whole lines. Raises msgspec.DecodeError if a line is damaged."""
    noted, full = Noted({}, set(), frozenset()), set[str]()
    for path in paths:
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):  # A process that was killed may leave half a line at the end.
                    _take(_decoder.decode(line), noted, full)
    return msgspec.structs.replace(noted, full=frozenset(full))


def _take(note: Note, noted: Noted, full: set[str]) -> None:
    match note:
        case Value():
            at_ms = milliseconds(note.at)
            if at_ms is not None:
                noted.values.setdefault((note.charge_point, note.transaction), set()).add(at_ms)
        case Received():
            noted.commands.add((note.charge_point, note.id))
        case Full():
            full.add(note.of)


def milliseconds(at: str) -> int | None:
    """Return the time in Unix milliseconds, or None for other texts. One time may have several texts."""
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return None
    return round(moment.timestamp() * 1000) if moment.tzinfo is not None else None
