"""Explain what msgspec finds wrong in a request: what is wrong, what would be right, and where."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from admin.http.problems import InputError, pointer
from gateway.ocpp16.errors import shorten
from gateway.ocpp16.faults.reading import suggest
from gateway.service.annotations import choices_of

type Steps = tuple[str | int, ...]
"""The path to a place in a request: names of members and indexes of entries."""

MOMENT = "must be a date and time with zone, such as 2026-01-31T12:00:00Z"

_MESSAGE = re.compile(r"^(?P<what>.*?)(?: - at `(?P<key>key` in `)?\$(?P<path>[^`]*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[([^\]]*)\]")
_CHOICE = re.compile(r"Invalid enum value '?(?P<given>.*?)'?", re.DOTALL)
_KIND = re.compile(r"Expected `(?P<wanted>[^`]*)`(?:, got `(?P<given>[^`]*)`)?(?P<bounds>.*)", re.DOTALL)
_SHOWN = 50
"""How many characters of an unknown name or value an answer repeats."""
_NOUNS = {
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
_OTHERS = {
    "Invalid RFC3339 encoded datetime": MOMENT,
    "Expected `datetime` with a timezone component": MOMENT,
    "Number out of range": "must be a smaller number",
}


def explain(error: msgspec.ValidationError, *, in_query: bool = False) -> InputError:
    """Explain the error at which the decoder stopped. The text of `error` names the place of the error."""
    match = _MESSAGE.match(str(error))
    steps = _STEP.findall(match["path"] or "") if match else ()
    places = tuple(int(index) if index.isdigit() else name or index for name, index in steps)
    return locate(places, _reword(error, (), in_query=in_query), in_query=in_query)


def explain_value(error: msgspec.ValidationError, kind: Any, *, in_query: bool) -> str:
    """Explain why one value does not have the type `kind`."""
    return _reword(error, choices_of(kind), in_query=in_query)


def explain_unknown(name: str, known: Iterable[str], *, in_query: bool) -> str:
    """Explain that a body or a query has a name that is not allowed."""
    noun, right = ("parameter", "this route takes") if in_query else ("member", "known are")
    if near := suggest(name, known).strip():
        return f"unknown {noun}; {near}"
    return f"unknown {noun}; {right} {', '.join(known) or 'none'}"


def locate(steps: Steps, text: str, *, in_query: bool) -> InputError:
    """Make the error with the text `text` for one place in a body or a query."""
    where = "".join(
        f"[{step}]" if isinstance(step, int) else f".{shorten(step, _SHOWN)}" for step in steps
    ).removeprefix(".")
    detail = f"{where}: {text}" if where else f"The {'query' if in_query else 'body'} {text}"
    detail += "" if text.endswith("?") else "."
    if in_query:
        return InputError(detail=detail, parameter=str(steps[0]) if steps else None)
    return InputError(detail=detail, pointer=pointer([str(step) for step in steps]))


def _reword(error: msgspec.ValidationError, choices: tuple[str, ...], *, in_query: bool) -> str:
    match = _MESSAGE.match(str(error))
    what = match["what"] if match else str(error)
    subject = "each name " if match and match["key"] else ""
    if choices and (found := _CHOICE.fullmatch(what)):
        return _explain_choice(found["given"], choices)
    if what not in _OTHERS and (found := _KIND.fullmatch(what)):
        return subject + _explain_kind(found, in_query=in_query)
    return subject + _OTHERS.get(what, what)


def _explain_choice(given: str, choices: tuple[str, ...]) -> str:
    given = shorten(given, _SHOWN)
    if near := suggest(given, choices).strip():
        return f'"{given}" is not allowed; {near}'
    *others, last = choices
    return f'must be {", ".join(others)}{" or " if others else ""}{last}, not "{given}"'


def _explain_kind(found: re.Match[str], *, in_query: bool) -> str:
    """Say which type or bounds a value must have.

    For a query, neither text nor null is mentioned, because all values are text and null cannot be written.
    """
    wanted = [name for name in found["wanted"].split(" | ") if name != "null" or not in_query]
    if bounds := found["bounds"].strip():
        return f"must {_explain_bounds(wanted[0], bounds)}"
    given = "a fraction" if found["given"] == "float" else _NOUNS.get(found["given"], found["given"])
    nouns = " or ".join(_NOUNS.get(name, name) for name in wanted)
    return f"must be {nouns}{f', not {given}' if given and not in_query else ''}"


def _explain_bounds(kind: str, bounds: str) -> str:
    if bounds == "of length >= 1":
        return "not be empty"
    for sign, words in _BOUNDS.items():
        if bounds.startswith(f"{sign} "):
            limit = bounds.removeprefix(f"{sign} ").removesuffix(".0")
            return words.format(limit, _PARTS.get(kind, "of it"))
    return f"be {bounds}"
