"""What a setting's annotation says: a section, a list, a text; and msgspec's errors in plain words."""

import re
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

_NAMES = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "null": "nothing",
    "object": "a section",
    "str": "a text",
}
_EXPECTED = re.compile(r"^Expected `([^`]*)`(.*?), got `([^`]*)`(.*)$")
_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")


def _members(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def struct_of(kind: Any) -> type[msgspec.Struct] | None:
    """Return the Struct that a section's annotation names, `X | None` included."""
    for member in _members(kind):
        if isinstance(member, type) and issubclass(member, msgspec.Struct):
            return member
    return None


def element_of(kind: Any) -> Any | None:
    """Return what a list's or tuple's annotation says of its elements."""
    for member in _members(kind):
        if get_origin(member) in (list, tuple):
            return get_args(member)[0]
    return None


def section_of(kind: Any) -> type[msgspec.Struct] | None:
    """Return the Struct of a section, or of each section in a list."""
    return struct_of(kind) or struct_of(element_of(kind))


def is_text(kind: Any) -> bool:
    return any(member is str or _members(member)[0] is str for member in _members(kind))


def explain(error: msgspec.ValidationError) -> str:
    """Msgspec's error as `section.key: expected a whole number, got a text`."""
    text = str(error)
    place = _PLACE.search(text)
    text = _PLACE.sub("", text)
    if found := _EXPECTED.match(text):
        expected, bounds, got, rest = found.groups()
        wanted = " or ".join(_NAMES.get(name, name) for name in expected.split(" | "))
        text = f"expected {wanted}{bounds}, got {_NAMES.get(got, got)}{rest}"
    else:
        text = re.sub(r"`(\w+)`", lambda name: _NAMES.get(name[1], name[1]), text)
        text = text[:1].lower() + text[1:]
    return f"{place[1]}: {text}" if place else text
