import tomllib
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # only schemathesis brings it
import pytest

from loadtest.scenario import reading
from loadtest.scenario.schema import json_schema

SHIPPED = Path(reading.__file__).parent / "shipped"


def test_the_schema_is_a_json_schema_without_null_because_toml_has_none() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "'type': 'null'" not in str(schema)
    assert "'default': None" not in str(schema)
    assert schema["$defs"]["Group"]["properties"]["heartbeat_s"]["minimum"] == 0


@pytest.mark.parametrize("name", reading.shipped_names())
def test_each_shipped_scenario_fits_the_schema(name: str) -> None:
    tree = tomllib.loads((SHIPPED / f"{name}.toml").read_text())
    jsonschema.Draft202012Validator(json_schema()).validate(tree)


@pytest.mark.parametrize(
    ("key", "value"), [("seed", -1), ("groups", []), ("xyz", 1), ("stages", [{"name": "a", "kind": "hodl"}])]
)
def test_the_schema_refuses_what_the_reader_refuses(key: str, value: Any) -> None:
    tree = tomllib.loads((SHIPPED / "smoke.toml").read_text()) | {key: value}
    assert not jsonschema.Draft202012Validator(json_schema()).is_valid(tree)
