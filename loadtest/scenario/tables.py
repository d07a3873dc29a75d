"""Compares the tables of a TOML file with their Structs, and finds all that is wrong at once."""

import re
from collections.abc import Iterator
from math import isfinite
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import fields

from gateway.ocpp16.faults.reading import not_one_of, suggest
from gateway.service.annotations import choices_of, metadata_of
from gateway.service.settings import element_of, explain, struct_of

_PATTERNS = {
    "^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$": "1 to 40 letters, digits, - and _, a letter or a digit first",
    "^[A-Za-z0-9_.-]{1,14}$": "1 to 14 letters, digits, _, . and -",
}
_EXPECTED = re.compile(r"^expected (.*?)(?:, got (.*))?$", re.DOTALL)


class Wrong(NamedTuple):
    """Something that is wrong at a place, such as `stages[0].seconds`."""

    place: str
    words: str


def find_wrong(kind: type[msgspec.Struct], table: Any, place: str = "") -> Iterator[Wrong]:
    """Find all keys and values of a table that the Struct does not allow."""
    if not isinstance(table, dict):
        yield Wrong(place, f"this is not a table; write {_heading(place)} and its keys below")
        return
    members = {field.encode_name: field for field in fields(kind)}
    for key in table:
        if key not in members:
            near = suggest(key, members).strip()
            yield Wrong(join(place, key), f"unknown key; {near or f'the keys are {", ".join(members)}'}")
    for key, field in members.items():
        if key in table:
            yield from _find_in(field.type, table[key], join(place, key))
        elif field.required:
            yield Wrong(join(place, key), f"this key is missing; give {_wanted(field.type)}")


def join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _heading(place: str) -> str:
    """Return the line of TOML that begins a table."""
    name = re.sub(r"\[\d+\]", "", place)
    return f"[[{name}]]" if place.endswith("]") else f"[{name}]"


def _find_in(kind: Any, value: Any, place: str) -> Iterator[Wrong]:
    if (table := struct_of(kind)) is not None:
        yield from find_wrong(table, value, place)
    elif (element := element_of(kind)) is not None and isinstance(value, list):
        wrong = [
            found
            for number, one in enumerate(value)
            for found in _find_in(element, one, f"{place}[{number}]")
        ]
        yield from wrong or _find_leaf(kind, value, place)
    elif struct_of(element) is not None:
        yield Wrong(
            place, f"this is not a list of tables; write {_heading(f'{place}[0]')} and its keys below"
        )
    else:
        yield from _find_leaf(kind, value, place)


def _find_leaf(kind: Any, value: Any, place: str) -> Iterator[Wrong]:
    choices = choices_of(kind)
    if choices and isinstance(value, str):
        if value not in choices:
            yield Wrong(place, not_one_of(value, choices, "not a choice"))
        return
    if isinstance(value, float) and not isfinite(value):
        yield Wrong(place, f"{value} was given; give {_wanted(kind)}")
        return
    if isinstance(value, str) and (pattern := _pattern(kind)):
        # `$` of a pattern lets a line end pass.
        if not re.fullmatch(pattern, value):
            yield Wrong(place, f"this name is not allowed; give {_PATTERNS[pattern]}")
        return
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        if choices:
            yield Wrong(place, f"this is not a text; use one of {', '.join(choices)}")
        else:
            yield Wrong(place, _spell(explain(error, kind, value)))


def _spell(text: str) -> str:
    """Put `expected X, got Y` into the order of all errors: what was wrong, then what would be right."""
    found = _EXPECTED.match(text)
    if found is None:
        return text
    wanted, got = found.groups()
    wanted = wanted.replace("a list of length 2", "the least and the greatest number")
    wanted = wanted.replace("a text of length of", "a text of").replace("a list of at least 1", "one or more")
    if wanted.startswith("the least"):
        return f"this list has {got} members; give {wanted}"
    return f"{got} was given; give {wanted}" if got else f"this is not allowed; give {wanted}"


def _wanted(kind: Any) -> str:
    """Say what a value of this kind is, by the error of a value that fits nothing."""
    if choices := choices_of(kind):
        return f"one of {', '.join(choices)}"
    if pattern := _pattern(kind):
        return _PATTERNS[pattern]
    if element_of(kind) is not None:
        return "one table or more"
    values: tuple[Any, ...] = (-1.0, -1, [], {})
    for value in values:
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            text = explain(error, kind, value)
            if (found := _EXPECTED.match(text)) is not None:
                return found[1]
    return "a value"


def _pattern(kind: Any) -> str | None:
    return next(
        (one.pattern for one in metadata_of(kind) if isinstance(one, msgspec.Meta) and one.pattern), None
    )
