"""The JSON Schema of scenarios, by which editors complete and check TOML files."""

from typing import Any

import msgspec

from loadtest.scenario.model import Scenario


def json_schema() -> dict[str, Any]:
    """Return the schema. Rules that join several keys are only in `csms loadtest validate`."""
    schema: dict[str, Any] = _without_null(msgspec.json.schema(Scenario))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Scenario of csms loadtest",
    } | schema


def _without_null(schema: Any) -> Any:
    """Remove null from a schema, because TOML has none: a key that may be null is left out."""
    if isinstance(schema, list):
        return [_without_null(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    rest = {key: _without_null(value) for key, value in schema.items() if (key, value) != ("default", None)}
    kinds = [kind for kind in rest.pop("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) == 1:
        return kinds[0] | rest
    return rest | {"anyOf": kinds} if kinds else rest
