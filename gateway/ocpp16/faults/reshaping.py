"""Repairs of one value, which give its content the type that the field needs.

Each function returns the repaired value with the names of the repairs. If no repair applies, it returns the
value itself without a name.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from msgspec import inspect

from gateway.ocpp16.faults.table import Repair

_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,18}(?:\.0{1,9})?\s*")
# A comma before exactly three digits may separate thousands, so csms does not read such a number.
_QUANTITY = re.compile(
    r"[+-]?[0-9]{1,18}(?:(?:\.|,(?![0-9]{3}(?:$|[eE])))[0-9]{1,18})?(?:[eE][+-]?[0-9]{1,2})?"
)
_SEPARATORS = re.compile(r"[\s_-]+")
LARGEST = 2**63
_DUE = {inspect.StrType: str, inspect.IntType: int, inspect.VarTupleType: list}


def round_quantity(value: str | Decimal) -> tuple[int | str | Decimal, tuple[Repair, ...]]:
    """Return a quantity as a whole number, or the value itself if it cannot be read."""
    if isinstance(value, Decimal):
        number = value
    elif _QUANTITY.fullmatch(value.strip()):
        number = Decimal(value.strip().replace(",", "."))
    else:
        return value, ()
    if not -LARGEST <= number < LARGEST:
        return value, ()
    repairs: list[Repair] = []
    is_whole = number == number.to_integral_value()
    if isinstance(value, str):
        repairs.append("text_for_number")
    elif is_whole:
        repairs.append("fraction_for_integer")
    if not is_whole:
        repairs.append("fraction_rounded")
    return round(number), tuple(repairs)


def reshape(kind: inspect.Type, value: Any) -> tuple[Any, Repair | None]:  # noqa: PLR0911  one return per repair
    """Return the same content in the required type, or the value itself if no repair applies."""
    if type(value) is _DUE.get(type(kind)):
        return value, None
    match kind, value:
        case inspect.StrType(), bool():
            return value, None
        case inspect.StrType(), int() | Decimal():
            return str(value), "number_for_text"
        case inspect.IntType(), str() if _INTEGER.fullmatch(value):
            return int(Decimal(value.strip())), "text_for_number"
        # `abs` would round, and fail for an exponent of more than 999,999.
        case inspect.IntType(), Decimal() if value.copy_abs() < 10**18 and value == value.to_integral_value():
            return int(value), "fraction_for_integer"
        case inspect.LiteralType(), str() if (
            value not in kind.values and (word := _words(kind).get(_fold_word(value))) is not None
        ):
            return word, "enum_case"
        case inspect.BoolType(), str() if value.strip().lower() in {"true", "false"}:
            return value.strip().lower() == "true", "text_for_boolean"
        case inspect.VarTupleType(), dict():
            return [value], "object_for_list"
        case _:
            return value, None


def _words(kind: inspect.LiteralType) -> Mapping[str, str]:
    """Return the words of an enumeration by their case-folded spelling."""
    return _words_of(tuple(map(str, kind.values)))


@cache
def _words_of(values: tuple[str, ...]) -> Mapping[str, str]:
    return {_fold_word(value): value for value in values}


def _fold_word(word: str) -> str:
    """Return what is the same in all spellings of a word, such as SuspendedEV and Suspended EV."""
    return _SEPARATORS.sub("", word).casefold()
