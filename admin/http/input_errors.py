"""Find all errors of a body or a query, because the decoder stops at the first error."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cache
from itertools import islice
from typing import Any, TypeAliasType, get_args, get_origin

import msgspec

from admin.http.explain import MOMENT, Steps, explain_unknown, explain_value, locate
from admin.http.problems import InputError
from admin.http.texts import read_texts
from gateway.ocpp16.faults import timestamps
from gateway.service.annotations import alternatives

LISTED_MAX = 50
COUNTED_MAX = 1_000
_EXACT = 10**15
"""Numbers of this size or above have no decimals, and Decimal has no remainder of very large numbers."""


def summarise(found: Iterable[InputError], otherwise: InputError) -> tuple[str, tuple[InputError, ...]]:
    """Return the detail of a problem, and the errors of the problem, 50 at most.

    If no error was found, `otherwise` is the error.
    """
    rest = iter(found)
    listed = tuple(islice(rest, LISTED_MAX)) or (otherwise,)
    total = len(listed) + sum(1 for _ in islice(rest, COUNTED_MAX - LISTED_MAX))
    first = listed[0].detail
    if total > LISTED_MAX:
        bound = "at least " if total == COUNTED_MAX else ""
        first += f" There are {bound}{total} errors; `errors` lists the first {LISTED_MAX}."
    elif total > 1:
        first += f" `errors` also lists {total - 1} more error{'s' if total > 2 else ''}."
    return first, listed


def find_errors(
    value: Any, model: Any, *, in_query: bool = False, formats: bool = False
) -> Iterator[InputError]:
    """Find everything that keeps `value` from being a `model`.

    In a query all values are text. With `formats`, the formats of OCPP payloads are checked too.
    """
    if in_query:
        value = read_texts(value, model)
    for steps, text in _Finder(in_query, formats).find(value, model, ()):
        yield locate(steps, text, in_query=in_query)


def find_errors_in_json(body: bytes, model: Any, *, formats: bool = False) -> Iterator[InputError]:
    """Find all errors of a body. If the body is not JSON, no error is found."""
    try:
        tree = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    yield from find_errors(tree, model, formats=formats)


class _Finder:
    def __init__(self, in_query: bool, formats: bool) -> None:  # noqa: FBT001  two switches of one call
        self._in_query = in_query
        self._formats = formats

    def find(self, value: Any, kind: Any, steps: Steps) -> Iterator[tuple[Steps, str]]:
        """Find the errors inside `value`, or, if there are none, the error of `value` itself."""
        error = self._convert(value, kind)
        if error is None and not self._formats:
            return
        is_good_inside = True
        for found in self._find_inside(value, kind, steps):
            is_good_inside = False
            yield found
        if is_good_inside and error is not None:
            yield steps, explain_value(error, kind, in_query=self._in_query)
        elif is_good_inside and (text := _check_format(value, kind)):
            yield steps, text

    def _convert(self, value: Any, kind: Any) -> msgspec.ValidationError | None:
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            return error
        return None

    def _find_inside(self, value: Any, kind: Any, steps: Steps) -> Iterator[tuple[Steps, str]]:
        for choice in alternatives(kind):
            match value, get_origin(choice) or choice:
                case dict(), type() as struct if issubclass(struct, msgspec.Struct):
                    yield from self._find_in_struct(value, struct, steps)
                case list(), origin if origin in {list, tuple}:
                    for index, item in enumerate(value):
                        yield from self.find(item, get_args(choice)[0], (*steps, index))
                case dict(), origin if origin is dict and get_args(choice):
                    for name, item in value.items():
                        yield from self.find(item, get_args(choice)[1], (*steps, name))

    def _find_in_struct(
        self, value: dict[str, Any], struct: type[msgspec.Struct], steps: Steps
    ) -> Iterator[tuple[Steps, str]]:
        fields = _fields_of(struct)
        unknown = [name for name in value if name not in fields]
        for name in unknown if struct.__struct_config__.forbid_unknown_fields else ():
            yield (*steps, name), explain_unknown(name, fields, in_query=self._in_query)
        for name, field in fields.items():
            if name in value:
                yield from self.find(value[name], field.type, (*steps, name))
            elif field.required:
                yield (*steps, name), "required, but absent"


def _check_format(value: Any, kind: Any) -> str | None:
    """Check what strict reading of OCPP payloads requires in addition to the type."""
    kind = kind.__value__ if isinstance(kind, TypeAliasType) else kind
    for meta in getattr(kind, "__metadata__", ()):
        extra = meta.extra_json_schema or {}
        if extra.get("format") == "date-time" and not timestamps.is_strict(value):
            return MOMENT
        if "multipleOf" in extra and abs(value) < _EXACT and Decimal(str(value)) * 10 % 1 != 0:
            return "must have at most one decimal"
    return None


@cache
def _fields_of(struct: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(struct)}
