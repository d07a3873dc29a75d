"""Payloads from the official schemas: with all fields, with required fields only, or broken in one way."""

import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from operator import setitem
from typing import Any

import msgspec

from tests.support import official_schemas

type Json = dict[str, Any]


def schema(name: str) -> Json:
    """Return the official schema with the changes that `DIFFERENCES` of test_against_schemas.py explains."""
    official = official_schemas.load(name)
    found: Json = _inlined(official, official.pop("definitions", {}))
    _drop_least_items(found)
    if name == "StopTransaction":
        found["required"] = [one for one in found["required"] if one != "reason"]
    return found


def _inlined(node: Any, definitions: Json) -> Any:
    """Replace the references of the security schemas by what they refer to."""
    match node:
        case {"$ref": str(name)}:
            return _inlined(definitions[name.removeprefix("#/definitions/")], definitions)
        case dict():
            return {name: _inlined(value, definitions) for name, value in node.items()}
        case list():
            return [_inlined(value, definitions) for value in node]
        case _:
            return node


def _drop_least_items(node: Any) -> None:
    match node:
        case dict():
            node.pop("minItems", None)
            for value in node.values():
                _drop_least_items(value)
        case list():
            for value in node:
                _drop_least_items(value)


def generate(node: Json, rng: random.Random, *, full: bool = False) -> Any:  # noqa: PLR0911  one per type
    if "enum" in node:
        return rng.choice(node["enum"])
    match node["type"]:
        case "object":
            required = node.get("required", [])
            return {
                name: generate(part, rng, full=full)
                for name, part in node.get("properties", {}).items()
                if full or name in required or rng.random() < 0.5
            }
        case "array":
            return [
                generate(node["items"], rng, full=full) for _ in range(rng.randrange(1 if full else 0, 3))
            ]
        case "string" if node.get("format") == "date-time":
            return (
                f"2026-0{rng.randrange(1, 10)}-1{rng.randrange(10)}T12:00:00{rng.choice(['', '.5', '.123'])}"
                + (rng.choice(["Z", "+02:00", "-11:30"]))
            )
        case "string":
            length = rng.choice([0, 1, rng.randrange(20), 20]) if node.get("maxLength", 99) >= 20 else 1
            return "".join(
                rng.choice('aZ09 -_.äß€😀"\\\n') for _ in range(min(length, node.get("maxLength", 99)))
            )
        case "integer":
            return rng.choice([0, 1, -1, rng.randrange(-(2**31), 2**31), 2**63 - 1])
        case "number":
            return Decimal(rng.randrange(-10_000, 1_000_000)).scaleb(-1)
        case "boolean":
            return rng.random() < 0.5
        case other:
            raise AssertionError(other)


def _places(
    node: Json, tree: Any, put: Callable[[Any], None]
) -> Iterator[tuple[Json, Any, Callable[[Any], None]]]:
    """Yield every value of the tree with its schema and a function that replaces the value."""
    yield node, tree, put
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from _places(node["properties"][name], value, partial(setitem, tree, name))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from _places(node["items"], value, partial(setitem, tree, index))


_WRONG_TYPE: dict[str, list[Any]] = {
    "object": [None, 1, "x", [], True],
    "array": [None, 1, "x", {}, False],
    "string": [None, 1, Decimal("1.5"), [], {}, True],
    "integer": [None, "1", Decimal("1.5"), [], {}, True],
    "number": [None, "1", [], {}, True],
    "boolean": [None, 1, "true", []],
}


def broken(node: Json, tree: Any, rng: random.Random) -> tuple[str, Any] | None:
    """Break the payload in one place, and return the kind of break and the payload.

    Return None if the chosen break does not fit the chosen place.
    """
    holder = [tree]
    part, value, put = rng.choice(list(_places(node, tree, lambda new: holder.__setitem__(0, new))))
    way = rng.choice(["missing", "type", "long", "enum", "extra", "decimals"])
    match way:
        case "missing" if part.get("required") and isinstance(value, dict):
            del value[rng.choice([one for one in part["required"] if one in value])]
        case "type":
            put(rng.choice(_WRONG_TYPE[part["type"]]))
        case "long" if "maxLength" in part:
            put("x" * (part["maxLength"] + rng.choice([1, 2, 50])))
        case "enum" if "enum" in part:
            put(rng.choice([value + "x", value.lower() + "-", "", value.swapcase()]))
        case "extra" if isinstance(value, dict):
            value[rng.choice(["x", "", "customData", "status2"])] = rng.choice([1, None, {}])
        case "decimals" if "multipleOf" in part:
            put(value + Decimal("0.05"))
        case _:
            return None
    return way, holder[0]


def required_only(node: Any, value: Any) -> Any:
    """Leave out every optional field, at any depth."""
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


def to_json(tree: Any) -> bytes:
    return msgspec.json.Encoder(decimal_format="number").encode(tree)
