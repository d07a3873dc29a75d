"""Custom resources, whose schemas kubernetes-validate does not know."""

import json
from collections.abc import Iterator
from pathlib import Path

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # as in official_schemas.py

from tests.k8s.rules.objects import Objects, title

_SCHEMAS = Path(__file__).parents[1] / "schemas"
_BUILT_IN = (".k8s.io", "apps", "batch", "autoscaling", "policy")


def schema_of(*, kind: str, api_version: str) -> Path:
    return _SCHEMAS / f"{kind.lower()}.{api_version.replace('/', '.')}.json"


def is_custom(api_version: str) -> bool:
    group = api_version.rpartition("/")[0]
    return group != "" and not group.endswith(_BUILT_IN)


def custom_resources_match_their_schemas(objects: Objects) -> Iterator[str]:
    for thing in objects:
        if not is_custom(thing["apiVersion"]):
            continue
        path = schema_of(kind=thing["kind"], api_version=thing["apiVersion"])
        if not path.exists():
            yield f"{title(thing)}: {thing['apiVersion']} has no schema; write tests/k8s/schemas/{path.name}"
            continue
        for error in Draft202012Validator(json.loads(path.read_text())).iter_errors(thing):
            yield f"{title(thing)}: {error.json_path.removeprefix('$.')}: {error.message}"
