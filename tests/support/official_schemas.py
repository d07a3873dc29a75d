"""Payloads held against the official JSON schemas, as the `ocpp` package carries them."""

import json
from decimal import Decimal
from importlib.resources import files
from typing import Any

from jsonschema import Draft4Validator  # type: ignore[import-untyped]  # comes with ocpp, without types


def official(name: str) -> Draft4Validator:
    text = files("ocpp").joinpath(f"v16/schemas/{name}.json").read_text("utf-8-sig")
    return Draft4Validator(json.loads(text, parse_float=Decimal))


def decoded(payload: bytes) -> Any:
    return json.loads(payload, parse_float=Decimal)


def required_only(node: Any, value: Any) -> Any:
    """Without every field that may be left out, at any depth."""
    match value:
        case dict():
            needed = node.get("required", [])
            return {
                name: required_only(node["properties"][name], part)
                for name, part in value.items()
                if name in needed
            }
        case list():
            return [required_only(node["items"], part) for part in value]
        case _:
            return value
