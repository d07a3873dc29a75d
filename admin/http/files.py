"""Lists as files of any length: comma-separated values, or one JSON object on each line.

A file is written part by part, as the client reads it. If something fails in the middle, the connection ends
before the file does, so that no client takes half a file for a whole one.
"""

import csv
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from io import StringIO
from typing import Annotated, Any, Literal, Protocol

import msgspec
from quart import Response, request

from admin.downloads import Downloads, Place
from admin.http.problems import Problem

type Format = Literal["json", "csv", "jsonl"]
type Row = Mapping[str, str | int | bool | None]

FormatParameter = Annotated[
    Format | None,
    msgspec.Meta(
        description="With `json`, the answer is a page. With `csv` or `jsonl`, the answer is a file of the "
        "whole list, without regard to `limit`: comma-separated values as in RFC 4180 with a line of names, "
        "or one JSON object on each line. Without this parameter the header Accept decides: `text/csv`, "
        "`application/jsonl` or `application/x-ndjson`, and else JSON."
    ),
]
_FORMATS: dict[str, Format] = {
    "application/json": "json",
    "text/csv": "csv",
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
    "application/ndjson": "jsonl",
}
CONTENT: dict[str, Any] = {
    "text/csv": {"schema": {"type": "string"}},
    "application/jsonl": {"schema": {"type": "string"}},
}
"""The media types of a list that is also a file, for the OpenAPI document."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Beginnings of a text that a spreadsheet would take for a formula."""


class Form(Protocol):
    """A kind of file, written from items that have the members of an answer."""

    content_type: str
    suffix: str

    def first(self) -> bytes: ...

    def write(self, items: Sequence[msgspec.Struct]) -> bytes: ...


class JsonLines:
    content_type = "application/jsonl; charset=utf-8"
    suffix = "jsonl"

    def first(self) -> bytes:
        return b""

    def write(self, items: Sequence[msgspec.Struct]) -> bytes:
        return msgspec.json.Encoder().encode_lines(items)


class Csv[T: msgspec.Struct]:
    """`row_of` makes the cells of an item. `columns` has their names in order."""

    content_type = "text/csv; charset=utf-8; header=present"
    suffix = "csv"

    def __init__(self, columns: Sequence[str], row_of: Callable[[T], Row]) -> None:
        self._columns, self._row_of = columns, row_of

    def first(self) -> bytes:
        return _lines([self._columns])

    def write(self, items: Iterable[Any]) -> bytes:
        rows = map(self._row_of, items)
        return _lines([_cell(row[column]) for column in self._columns] for row in rows)


def find_format(asked: Format | None) -> Format:
    """Return the format that the parameter asks for, or else the one that the client accepts best."""
    if asked is not None:
        return asked
    best = request.accept_mimetypes.best_match(list(_FORMATS), default="application/json")
    return _FORMATS[best]


def take_place(downloads: Downloads) -> Place:
    """Take the place of one download. Raises Problem (503) if there are as many as there may be."""
    place = downloads.take()
    if place is None:
        raise Problem(
            503,
            "too-many-downloads",
            "Too many clients download files; try again after Retry-After.",
            headers={"Retry-After": "10"},
        )
    return place


async def respond[T: msgspec.Struct](
    downloads: Downloads,
    parts: AsyncGenerator[Sequence[T]],
    form: Form,
    name: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with a file. The first part is read before, so that its errors still become problems.

    Raises Problem (503) if there are too many downloads.
    """
    place = take_place(downloads)
    first: Sequence[T] = ()
    try:
        # anext() with a default raises SystemError at an empty generator.
        with suppress(StopAsyncIteration):
            first = await anext(parts)
    except BaseException:
        place.leave()
        raise
    response = Response(
        place.counted(_write(first, parts, form)),
        200,
        {
            "Content-Disposition": f'attachment; filename="{name}.{form.suffix}"',
            "Cache-Control": "no-store",
            "Vary": "Accept",
            **(headers or {}),
        },
        content_type=form.content_type,
    )
    # The timeout of Quart would cut the file off. The server cuts off clients that do not read
    # (admin/hypercorn.py), and a client that reads slowly only slows down its own file, of which one part at
    # a time is in memory.
    response.timeout = None
    return response


async def _write[T: msgspec.Struct](
    first: Sequence[T], parts: AsyncGenerator[Sequence[T]], form: Form
) -> AsyncGenerator[bytes]:
    async with aclosing(parts):
        yield form.first() + form.write(first)
        async for part in parts:
            if part:
                yield form.write(part)


def _lines(rows: Iterable[Sequence[object]]) -> bytes:
    text = StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode(errors="replace")


def _cell(value: object) -> object:
    """Return what a cell shows. A text that looks like a formula gets an apostrophe, as OWASP advises."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str() if value.startswith(_FORMULA):
            return f"'{value}"
        case _:
            return value
