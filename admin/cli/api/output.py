"""Print answers as tables or as one JSON object a line, without characters that control a terminal."""

import os
import re
import sys
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from admin.cli.api.options import Form
from gateway.service.masking import mask_text

type Columns = Mapping[str, str]
"""The member that each column shows, by the heading of the column. A dot leads into an inner object."""

_PIPED_WIDTH = 10_000
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Charge points choose many texts, so these may hold escape sequences or change the order of characters."""


async def print_list(form: Form, columns: Columns, items: AsyncIterable[dict[str, Any]]) -> None:
    """Print the items: as JSON when they arrive, or as one table when all have arrived."""
    rows = []
    async for item in items:
        if form == "json":
            print_json(item)
        else:
            rows.append(item)
    if form == "table":
        _print(_table(columns, rows))


def print_rows(form: Form, items: Iterable[Mapping[str, Any]]) -> None:
    """Print items whose members are not known beforehand: each member gets a column."""
    if form == "json":
        for item in items:
            print_json(item)
    else:
        rows = [row for item in items for row in _spread(item)]
        names = dict.fromkeys(name for row in rows for name in row)
        if not rows:
            write_line("none")
            return
        _print(_table({name: name for name in names}, rows, dotted=False))


def print_document(form: Form, document: Mapping[str, Any]) -> None:
    """Print one object. In a table, each inner list of objects becomes a table of its own."""
    if form == "json":
        print_json(document)
        return
    plain, lists = dict[str, Any](), dict[str, list[Any]]()
    _flatten("", document, plain, lists)
    if plain:
        rows = [{"member": name, "value": of} for name, of in plain.items()]
        _print(_table({"member": "member", "value": "value"}, rows))
    for name, items in lists.items():
        write_line(f"{name}:")
        print_rows("table", items)


def print_event(form: Form, columns: Iterable[str], item: Mapping[str, Any]) -> None:
    """Print one item of a stream: as JSON, or its members in one line without headings."""
    if form == "json":
        print_json(item)
    else:
        write_line("  ".join(text for name in columns if (text := cell(find(item, name)))))


def print_json(item: Any) -> None:
    text = msgspec.json.encode(item).decode()
    # These characters stand only inside of texts, where JSON may write them as escapes.
    write_line(_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def write_line(text: str) -> None:
    """Write a line to stdout at once. If nobody reads stdout any more, end as SIGPIPE would."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would fail again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(128 + 13) from None


def warn(text: str) -> None:
    sys.stderr.write(f"{mask_text(clean(text))}\n")


def find(item: Any, name: str) -> Any:
    """Return the member that the dotted name leads to, or None. Of a list, return it of each item."""
    for part in name.split("."):
        if isinstance(item, list):
            item = [one.get(part) for one in item if isinstance(one, Mapping)]
        else:
            item = item.get(part) if isinstance(item, Mapping) else None
    return item


def cell(value: Any) -> str:
    """Return a value as people read it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return clean(", ".join(value))
    if isinstance(value, dict | list):
        return clean(msgspec.json.encode(value).decode())
    return clean(str(value))


def clean(text: str) -> str:
    """Return the text with an escape in place of characters that control a terminal."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _flatten(prefix: str, document: Mapping[str, Any], plain: dict[str, Any], lists: dict[str, Any]) -> None:
    for name, value in document.items():
        if isinstance(value, Mapping) and value:
            _flatten(f"{prefix}{name}.", value, plain, lists)
        elif isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
            lists[f"{prefix}{name}"] = value
        else:
            plain[f"{prefix}{name}"] = value


def _spread(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each object in an inner list, such as each trouble of a charge point."""
    for name, value in item.items():
        if isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
            others = {other: of for other, of in item.items() if other != name}
            return [{**others, **{f"{name}.{inner}": of for inner, of in part.items()}} for part in value]
    return [dict(item)]


def _table(columns: Columns, rows: Iterable[Mapping[str, Any]], *, dotted: bool = True) -> Table:
    table = Table(*columns, box=SIMPLE_HEAD)
    for row in rows:
        # Text does not read [markup].
        table.add_row(
            *(Text(cell(find(row, name) if dotted else row.get(name))) for name in columns.values())
        )
    return table


def _print(table: Table) -> None:
    # A program that reads the table through a pipe gets whole values, not values cut to a width.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)
    with console.capture() as captured:
        console.print(table)
    write_line("\n".join(line.rstrip() for line in captured.get().splitlines()).strip("\n"))
