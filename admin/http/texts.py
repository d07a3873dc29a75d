"""Values of a query, which are texts: what each text means for the type of its parameter."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.service.annotations import alternatives

_NUMBER = re.compile(r"-?[0-9]{1,19}(?P<fraction>\.[0-9]{1,19})?(?:[eE][+-]?[0-9]{1,3})?")
_WORDS = {"true": True, "false": False}


def read_texts(query: Mapping[str, Any], model: type[Any]) -> dict[str, Any]:
    """Return the query with each text replaced by the number or truth value that it means.

    All other texts stay as they are, so that the strict check of the types refuses `null` for a parameter
    that is not a text. A query cannot say null: a parameter is given or absent.
    """
    kinds = {field.encode_name: field.type for field in msgspec.structs.fields(model)}
    return {name: _read(value, kinds.get(name, str)) for name, value in query.items()}


def _read(value: Any, kind: Any) -> Any:
    kinds = alternatives(kind)
    if not isinstance(value, str) or str in kinds:
        return value
    if bool in kinds:
        return _WORDS.get(value, value)
    number = _NUMBER.fullmatch(value)
    if number is None or not {int, float} & {*kinds}:
        return value
    found = float(value) if number["fraction"] or not value.lstrip("-").isdigit() else int(value)
    return int(found) if int in kinds and found == found // 1 else found
