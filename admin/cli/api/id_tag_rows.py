"""Rows of a CSV file of id tags: read them strictly, with a reason for each wrong row."""

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, TextIO

import msgspec

from admin.cli.failures import CommandRefused

COLUMNS = ("tag", "status", "expiry_date", "parent_id_tag", "max_active_transactions")
_STATUSES = ("Accepted", "Blocked", "Expired", "Invalid")
_TAG_LENGTH = 20
_MAXIMUM = 1_000_000


class IdTagRow(msgspec.Struct, frozen=True, kw_only=True):
    """A right row. `number` counts as a spreadsheet does: the headings are row 1."""

    number: int
    tag: str
    status: str
    expiry_date: datetime | None
    parent_id_tag: str | None
    max_active_transactions: int | None

    def settings(self) -> dict[str, Any]:
        """Return the body of the PUT."""
        members: dict[str, Any] = msgspec.to_builtins(self)
        return {name: members[name] for name in COLUMNS if name != "tag"}

    def equals(self, stored: dict[str, Any]) -> bool:
        """Return whether the server has this row already."""
        expiry = stored["expiry_date"]
        return (
            self.tag == stored["tag"]
            and self.expiry_date == (None if expiry is None else datetime.fromisoformat(expiry))
            and all(
                stored[name] == getattr(self, name)
                for name in ("status", "parent_id_tag", "max_active_transactions")
            )
        )


class WrongRow(msgspec.Struct, frozen=True, kw_only=True):
    row: int
    tag: str
    reason: str


def fold(tag: str) -> str:
    """Return what tags are compared by: upper and lower case of ASCII are the same."""
    return "".join(one.lower() if one.isascii() else one for one in tag)


def read(file: TextIO) -> Iterator[IdTagRow | WrongRow]:
    """Yield each row, right or wrong. Empty rows are left out. Raises CommandRefused for wrong headings."""
    first = file.readline()
    semicolons = first.count(";") > first.count(",")  # So do spreadsheets where a comma is in numbers.
    rows = csv.reader(_chain(first, file), delimiter=";" if semicolons else ",", strict=True)
    try:
        headings = _check_headings(next(rows, []))
        seen = dict[str, int]()
        for number, cells in enumerate(rows, 2):
            if any(cell.strip() for cell in cells):
                yield _read_row(number, headings, cells, seen)
    except csv.Error as error:
        raise CommandRefused(f'near line {rows.line_num}: {error}; write CSV with quotes around "') from None
    except UnicodeDecodeError:
        raise CommandRefused("the file is not UTF-8 text; save it as CSV in UTF-8") from None


def _chain(first: str, file: Iterable[str]) -> Iterator[str]:
    yield first
    yield from file


def _check_headings(cells: list[str]) -> list[str]:
    headings = [cell.strip().casefold() for cell in cells]
    for heading in headings:
        if heading not in COLUMNS:
            near = get_close_matches(heading, COLUMNS, 1)
            hint = f"did you mean {near[0]}?" if near else f"the columns are {', '.join(COLUMNS)}"
            raise CommandRefused(f"the heading {heading!r} in row 1 is unknown; {hint}")
    if "tag" not in headings or len(set(headings)) < len(headings):
        raise CommandRefused(
            f"row 1 must have the heading tag, and each heading once; the columns are {', '.join(COLUMNS)}"
        )
    return headings


def _read_row(
    number: int, headings: list[str], cells: list[str], seen: dict[str, int]
) -> IdTagRow | WrongRow:
    values = dict(zip(headings, (cell.strip() for cell in cells), strict=False))
    tag = values.get("tag", "")
    if len(cells) != len(headings):
        reason = f"the row has {len(cells)} cells, and row 1 has {len(headings)}"
        return WrongRow(row=number, tag=tag, reason=reason)
    try:
        row = IdTagRow(
            number=number,
            tag=_read_tag("tag", tag),
            status=_read_status(values.get("status", "")),
            expiry_date=_read_time(values.get("expiry_date", "")),
            parent_id_tag=_read_tag("parent_id_tag", parent)
            if (parent := values.get("parent_id_tag", ""))
            else None,
            max_active_transactions=_read_maximum(values.get("max_active_transactions", "")),
        )
    except _WrongValue as error:
        return WrongRow(row=number, tag=tag, reason=str(error))
    if (other := seen.setdefault(fold(tag), number)) != number:
        return WrongRow(row=number, tag=tag, reason=f"row {other} has the same tag; keep one of them")
    return row


class _WrongValue(Exception):  # noqa: N818  it is a sentence for a person
    pass


def _read_tag(column: str, text: str) -> str:
    if not 1 <= len(text) <= _TAG_LENGTH:
        raise _WrongValue(f"{column} has {len(text)} characters; OCPP 1.6 allows 1 to {_TAG_LENGTH}")
    if not text.isprintable():
        raise _WrongValue(f"{column} has a character that cannot be printed; remove it")
    return text


def _read_status(text: str) -> str:
    status = text or "Accepted"
    if status not in _STATUSES:
        raise _WrongValue(
            f"status {status!r} is unknown; write {', '.join(_STATUSES[:-1])} or {_STATUSES[-1]}"
        )
    return status


def _read_time(text: str) -> datetime | None:
    if not text:
        return None
    example = "write a day like 2030-01-31 (its beginning in UTC), or a time like 2030-01-31T08:00:00Z"
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise _WrongValue(f"expiry_date {text!r} is not a time; {example}") from None
    if len(text) == len("2030-01-31"):
        time = time.replace(tzinfo=UTC)
    if time.tzinfo is None:
        raise _WrongValue(f"expiry_date {text!r} has no time zone; {example}")
    return time


def _read_maximum(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and int(text) <= _MAXIMUM):
        raise _WrongValue(
            f"max_active_transactions {text!r} is wrong; write a whole number up to {_MAXIMUM}, or nothing"
        )
    return int(text)
