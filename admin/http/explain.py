"""What msgspec finds wrong in a request, in plain words that also say what would be right."""

import re
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from admin.http.problems import InputError, pointer
from gateway.ocpp16.faults.reading import not_one_of, suggest

_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<key>key` in `)?\$(?P<path>[^`]*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[([^\]]*)\]")
_FIELD = re.compile(r"(?P<problem>unknown|required) field `(?P<field>[^`]*)`")
_CHOICE = re.compile(r"Invalid enum value (?P<given>.+)", re.DOTALL)
_KIND = re.compile(r"Expected `(?P<wanted>[^`]*)`(?:, got `(?P<given>[^`]*)`)?(?P<bounds>.*)", re.DOTALL)
_NAME_LENGTH = 50
"""Of a name that is not known here, as far as an answer repeats it."""
_KINDS = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "a whole number",
    "null": "null",
    "object": "an object",
    "str": "text",
}
_BOUNDS = {
    ">=": "be at least {}",
    "<=": "be at most {}",
    ">": "be above {}",
    "<": "be below {}",
    "of length >=": "have at least {} {}",
    "of length <=": "have at most {} {}",
    "matching regex": "match the pattern {}",
}
_PARTS = {"str": "characters", "array": "entries", "object": "members"}
_MOMENT = "must be a date and time with zone, such as 2026-01-31T12:00:00Z"
_OTHERS = {
    "Invalid RFC3339 encoded datetime": _MOMENT,
    "Expected `datetime` with a timezone component": _MOMENT,
    "Number out of range": "larger than any number can be here",
}


def explain(error: msgspec.ValidationError, model: Any, *, in_query: bool = False) -> InputError:
    """Say what `error` says of a request that should have been a `model`.

    In a query everything came as text, so it is not told what came, and null cannot be asked for.
    """
    match = _AT.match(str(error))
    what, path = (match["what"], match["path"] or "") if match else (str(error), "")
    steps = [name or index for name, index in _STEP.findall(path)]
    kinds = _kinds_at(_info(model), steps)
    where = path.removeprefix(".")
    if field := _FIELD.search(what):
        steps.append(field["field"])
        where = f"{where}.{field['field'][:_NAME_LENGTH]}".removeprefix(".")
    text = f"{'each name ' if match and match['key'] else ''}{_reword(what, kinds, in_query=in_query)}"
    detail = f"{where}: {text}." if where else f"The body {text}."
    return (
        InputError(detail=detail, parameter=next(iter(steps), None))
        if in_query
        else InputError(detail=detail, pointer=pointer(steps))
    )


def _reword(what: str, kinds: tuple[inspect.Type, ...], *, in_query: bool) -> str:
    if found := _FIELD.search(what):
        return "required, but absent" if found["problem"] == "required" else _unknown(found["field"], kinds)
    if (found := _CHOICE.match(what)) and (choices := _choices(kinds)):
        return not_one_of(found["given"].strip("'"), choices)
    if what in _OTHERS:
        return _OTHERS[what]
    if found := _KIND.match(what):
        wanted = [name for name in found["wanted"].split(" | ") if name != "null" or not in_query]
        if bounds := found["bounds"].strip():
            return f"must {_bounds(wanted[0], bounds)}"
        got = f", not {_noun_of_given(found['given'])}" if found["given"] and not in_query else ""
        return f"must be {' or '.join(map(_noun, wanted))}{got}"
    return what


def _unknown(name: str, kinds: tuple[inspect.Type, ...]) -> str:
    known = [
        field.encode_name for kind in kinds if isinstance(kind, inspect.StructType) for field in kind.fields
    ]
    if not known:
        return "not known here; nothing is"
    return f"not known here; {suggest(name, known)}known are {', '.join(known)}"


def _bounds(kind: str, bounds: str) -> str:
    if bounds == "of length >= 1":
        return "not be empty"
    for sign, words in _BOUNDS.items():
        if bounds.startswith(f"{sign} "):
            limit = bounds.removeprefix(f"{sign} ").removesuffix(".0")
            return words.format(limit, _PARTS.get(kind, "of it"))
    return f"be {bounds}"


def _noun(kind: str) -> str:
    return _KINDS.get(kind, kind)


def _noun_of_given(kind: str) -> str:
    return "a fraction" if kind == "float" else _noun(kind)


@cache
def _info(model: Any) -> inspect.Type:
    return inspect.type_info(model)


def _kinds_at(info: inspect.Type, steps: list[str]) -> tuple[inspect.Type, ...]:
    """What may stand at this place of a request."""
    kinds = _members(info)
    for step in steps:
        kinds = tuple(
            member for kind in kinds for inner in _step_into(kind, step) for member in _members(inner)
        )
    return kinds


def _members(info: inspect.Type) -> tuple[inspect.Type, ...]:
    if isinstance(info, inspect.Metadata):
        return _members(info.type)
    if isinstance(info, inspect.UnionType):
        return tuple(member for one in info.types for member in _members(one))
    return (info,)


def _step_into(kind: inspect.Type, step: str) -> tuple[inspect.Type, ...]:
    match kind:
        case inspect.StructType():
            return tuple(field.type for field in kind.fields if field.encode_name == step)
        case inspect.ListType() | inspect.VarTupleType():
            return (kind.item_type,)
        case inspect.DictType():
            return (kind.value_type,)
        case _:
            return ()


def _choices(kinds: tuple[inspect.Type, ...]) -> tuple[str, ...]:
    choices: list[Any] = []
    for kind in kinds:
        if isinstance(kind, inspect.LiteralType):
            choices += kind.values
        elif isinstance(kind, inspect.EnumType):
            choices += [one.value for one in kind.cls]
    return tuple(map(str, choices))
