"""Which values a field of a Struct may have, and its default, in words."""

from typing import Any

from msgspec.structs import FieldInfo

from gateway.service.annotations import alternatives, choices_of, metadata_of
from gateway.service.settings import element_of, section_of, struct_of

_UNITS = {"_s": "seconds", "_bytes": "bytes"}
_TYPES = {bool: "true or false", int: "whole number", float: "number", str: "text"}


def describe_values(field: FieldInfo) -> str:
    if choices := choices_of(field.type):
        return ", ".join(f"`{choice}`" for choice in choices)
    if struct_of(field.type) is not None:
        return "section"
    if element_of(field.type) is not None:
        return "list of sections" if section_of(field.type) else "list of texts"
    kind = next(words for one, words in _TYPES.items() if one in alternatives(field.type))
    unit = next((unit for end, unit in _UNITS.items() if field.encode_name.endswith(end)), "")
    if unit:
        kind = f"whole {unit}" if unit == "seconds" and kind == "whole number" else unit
    above, least, most, length = (
        [write_number(bound) for bound in find_meta(field, name)] for name in ("gt", "ge", "le", "min_length")
    )
    if length:
        return f"{kind}, not empty" if length == ["1"] else f"{kind} of {length[0]} characters or more"
    if least:
        return f"{kind}, {least[0]} to {most[0]}" if most else f"{kind}, {least[0]} or more"
    bounds = [f"above {bound}" for bound in above] + [f"at most {bound}" for bound in most]
    return ", ".join((kind, *bounds))


def write_number(value: float) -> str:
    """Write a number. If it has five digits or more, commas separate the thousands."""
    return f"{value:,}" if value >= 10_000 and value == int(value) else f"{value:g}"


def find_meta(field: FieldInfo, name: str) -> list[Any]:
    """Return the field's annotation of this name as the only item of a list, or an empty list."""
    return [value for meta in metadata_of(field.type) if (value := getattr(meta, name)) is not None][:1]


def describe_default(field: FieldInfo) -> str:
    if field.required:
        return "required"
    match field.default:
        case None:
            return "not set"
        case ():
            return "empty"
        case bool():
            return f"`{str(field.default).lower()}`"
        case int() | float():
            return write_number(field.default)
        case _:
            return f"`{field.default}`"
