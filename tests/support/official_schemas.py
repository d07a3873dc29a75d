"""The official JSON schemas from the `ocpp` package, with OCPP's form of times."""

import json
import re
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft4Validator, FormatChecker  # type: ignore[import-untyped]  # comes with ocpp, without types
from jsonschema.validators import validator_for  # type: ignore[import-untyped]  # as above

# jsonschema does not check formats by itself. A central system must send UTC with a Z (errata 3.16).
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z", re.ASCII)
_formats = FormatChecker(formats=())


@_formats.checks("date-time")
def _is_time(value: object) -> bool:
    if not isinstance(value, str):
        return True  # The schema's rule `type` refuses a value that is not a text.
    try:
        return _TIME.fullmatch(value) is not None and datetime.fromisoformat(value) is not None
    except ValueError:
        return False


def read(frame: str | bytes) -> Any:
    """Read JSON with fractions as decimals, because 16.1 is not a binary multiple of 0.1."""
    return json.loads(frame, parse_float=Decimal)


def check(name: str, payload: Any) -> None:
    """Raise ValidationError if the schema refuses the payload. Times may have any form."""
    Draft4Validator(load(name)).validate(payload)


def faults(name: str, payload: Any) -> list[str]:
    """Return each error that the schema `<action>` or `<action>Response` finds, with its path."""
    errors = sorted(_validator(name).iter_errors(payload), key=lambda error: error.json_path)
    return [f"{error.json_path}: {error.message}" for error in errors]


def load(name: str) -> dict[str, Any]:
    file = files("ocpp").joinpath(f"v16/schemas/{name}.json")
    if not file.is_file():
        raise AssertionError(f"OCPP 1.6 has no message {name}")
    schema: dict[str, Any] = read(file.read_text("utf-8-sig"))
    return schema


@cache
def _validator(name: str) -> Any:
    schema = load(name)
    return validator_for(schema)(schema, format_checker=_formats)
