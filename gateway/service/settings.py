"""Reads the annotations of settings, and puts msgspec's errors about them into plain words."""

import re
from typing import Any, get_args, get_origin

import msgspec

from gateway.service.annotations import alternatives, choices_of

_NAMES = {
    "array": "a list",
    "bool": "true or false",
    "date": "a date",
    "datetime": "a date and time",
    "float": "a number",
    "int": "a whole number",
    "null": "nothing",
    "object": "a section",
    "str": "a text",
    "time": "a time",
}
_EXPECTED = re.compile(r"^Expected `([^`]*)`(.*?), got `([^`]*)`(.*)$")
_FIELD = re.compile(r"^Object (missing required|contains unknown) field `([^`]*)`$")
_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")
_BOUNDS = (
    (" of length >= ", " of at least "),
    (" >= ", " of at least "),
    (" <= ", " of at most "),
    (" > ", " above "),
)
_QUOTED = 40


def struct_of(kind: Any) -> type[msgspec.Struct] | None:
    """Return the Struct in the annotation of a section, also in `X | None`."""
    for member in alternatives(kind):
        if isinstance(member, type) and issubclass(member, msgspec.Struct):
            return member
    return None


def element_of(kind: Any) -> Any | None:
    """Return the annotation of the elements of a list or tuple."""
    for member in alternatives(kind):
        if get_origin(member) in (list, tuple):
            return get_args(member)[0]
    return None


def section_of(kind: Any) -> type[msgspec.Struct] | None:
    """Return the Struct of a section, or of each section in a list."""
    return struct_of(kind) or struct_of(element_of(kind))


def is_text(kind: Any) -> bool:
    return str in alternatives(kind)


def explain(error: msgspec.ValidationError, kind: Any, value: Any) -> str:
    """Put an error into words, such as `limits.send_s: expected a number above 0, got -1`.

    `kind` is the annotation that was given to `msgspec.convert`, and `value` is the whole value that was
    given. The value of a text setting is not quoted, because it may be a secret.
    """
    text = str(error)
    place = _PLACE.search(text)
    text = _PLACE.sub("", text)
    kind, value = _find(kind, value, place[1].split(".") if place else [])
    if choices := choices_of(kind):
        return _at(place, f"{value!r} is not a choice; choose one of {', '.join(choices)}")
    given = _quote(kind, value)
    if found := _FIELD.match(text):
        return _at(place, f"{found[2]} is missing" if "missing" in found[1] else f"unknown key {found[2]}")
    if found := _EXPECTED.match(text):
        expected, bounds, got, rest = found.groups()
        # TOML has no null. A setting that may be null is left out of the file instead.
        names = [name for name in expected.split(" | ") if name != "null"]
        wanted = " or ".join(_NAMES.get(name, name) for name in names)
        return _at(place, f"expected {wanted}{bounds}, got {given or _NAMES.get(got, got) + rest}")
    text = re.sub(r"`(\w+)`", lambda name: _NAMES.get(name[1], name[1]), text)
    for sign, words in _BOUNDS:
        text = text.replace(sign, words)
    text = re.sub(r"(\d)\.0\b", r"\1", text)
    text = text[:1].lower() + text[1:]
    if is_text(kind):
        text = f"{text} characters".replace("a text of at least 1 characters", "a text that is not empty")
    return _at(place, f"{text}, got {given.strip("'")}" if given else text)


def _quote(kind: Any, value: Any) -> str:
    """Return what was given for a number or a switch, as it is written; empty for any other setting."""
    if not {bool, int, float} & set(alternatives(kind)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    return repr(value if len(value) <= _QUOTED else value[:_QUOTED] + "...") if isinstance(value, str) else ""


def _at(place: re.Match[str] | None, text: str) -> str:
    return f"{place[1]}: {text}" if place else text


def _find(kind: Any, value: Any, names: list[str]) -> tuple[Any, Any]:
    """Return the annotation and the value of the setting at a place.

    `names` are the names of the sections on the way to the setting, and of the setting itself.
    Both results are None for a place inside a list.
    """
    for name in names:
        section = struct_of(kind)
        if section is None or not isinstance(value, dict):
            return None, None
        kind = next(
            (field.type for field in msgspec.structs.fields(section) if field.encode_name == name), None
        )
        value = value.get(name)
    return kind, value
