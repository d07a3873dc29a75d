"""Our reading against the official JSON schemas, as the `ocpp` package carries them.

Payloads are generated from the schemas, whole and broken in one named way; strict reading must agree
with the schema about each, but for the differences in DIFFERENCES.
"""

import json
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from importlib.resources import files
from operator import setitem
from typing import Any

import msgspec
import pytest
from jsonschema import Draft4Validator  # type: ignore[import-untyped] # comes with ocpp, without types

from gateway.ocpp16 import actions
from gateway.ocpp16.actions import ACTIONS
from gateway.ocpp16.errors import PayloadInvalid
from gateway.ocpp16.faults import repairs
from gateway.ocpp16.messages.types import Message

DIFFERENCES = {
    "StopTransaction": "reason is optional (errata: absent means Local); older sets require it",
    "minItems": "the official sets have none but for certificateHashData, and charge points send empty lists",
    "timestamp": "date-time is checked by us, while jsonschema only notes the format",
    "number": "from 10^15 on none is taken: a float would not hold its decimal",
}
PER_SCHEMA = 150
MUTATIONS = 6

type Json = dict[str, Any]


def schema(name: str) -> Json:
    text = files("ocpp").joinpath(f"v16/schemas/{name}.json").read_text("utf-8-sig")
    found: Json = json.loads(text, parse_float=Decimal)
    found = _inlined(found, found.pop("definitions", {}))
    _drop_least_items(found)
    if name == "StopTransaction":
        found["required"] = [one for one in found["required"] if one != "reason"]
    return found


def _inlined(node: Any, definitions: Json) -> Any:
    """The security schemas refer to their parts; here each stands in its place."""
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


SCHEMAS = [
    (name + suffix, message)
    for name, action in ACTIONS.items()
    for suffix, message in (("", action.request), ("Response", action.result))
]


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


def places(
    node: Json, tree: Any, put: Callable[[Any], None]
) -> Iterator[tuple[Json, Any, Callable[[Any], None]]]:
    """Every value of the tree with its schema and a way to put another one in its place."""
    yield node, tree, put
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from places(node["properties"][name], value, partial(setitem, tree, name))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from places(node["items"], value, partial(setitem, tree, index))


WRONG_TYPE: dict[str, list[Any]] = {
    "object": [None, 1, "x", [], True],
    "array": [None, 1, "x", {}, False],
    "string": [None, 1, Decimal("1.5"), [], {}, True],
    "integer": [None, "1", Decimal("1.5"), [], {}, True],
    "number": [None, "1", [], {}, True],
    "boolean": [None, 1, "true", []],
}


def broken(node: Json, tree: Any, rng: random.Random) -> tuple[str, Any] | None:
    """The tree broken in one place, with the way it was broken; None if the place cannot break."""
    holder = [tree]
    part, value, put = rng.choice(list(places(node, tree, lambda new: holder.__setitem__(0, new))))
    way = rng.choice(["missing", "type", "long", "enum", "extra", "decimals"])
    match way:
        case "missing" if part.get("required") and isinstance(value, dict):
            del value[rng.choice([one for one in part["required"] if one in value])]
        case "type":
            put(rng.choice(WRONG_TYPE[part["type"]]))
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


def valid(validator: Draft4Validator, payload: bytes) -> bool:
    return bool(validator.is_valid(json.loads(payload, parse_float=Decimal)))


def to_json(tree: Any) -> bytes:
    return msgspec.json.Encoder(decimal_format="number").encode(tree)


CODE = {
    "missing": {"OccurenceConstraintViolation"},
    "type": {"TypeConstraintViolation", "FormationViolation"},
    "long": {"PropertyConstraintViolation"},
    "enum": {"PropertyConstraintViolation"},
    "extra": {"PropertyConstraintViolation"},
    "decimals": {"PropertyConstraintViolation"},
}


@pytest.mark.parametrize(("name", "message"), SCHEMAS, ids=[name for name, _ in SCHEMAS])
def test_strict_reading_agrees_with_the_schema(name: str, message: type[Message]) -> None:
    rng = random.Random(name)
    node = schema(name)
    validator = Draft4Validator(node)
    for round_ in range(PER_SCHEMA):
        tree = generate(node, rng, full=round_ % 5 == 0)
        payload = to_json(tree)
        assert valid(validator, payload), payload
        read = repairs.read_strictly(message, payload)
        again = actions.encode(read)
        assert json.loads(again, parse_float=Decimal) == json.loads(payload, parse_float=Decimal)
        assert repairs.read_strictly(message, again) == read
        assert repairs.read_and_repair(message, payload) == (read, payload, ())
        for _ in range(MUTATIONS):
            case = broken(node, json.loads(payload, parse_float=Decimal), rng)
            if case is None:
                continue
            way, tree = case
            bad = to_json(tree)
            assert not valid(validator, bad), (way, bad)
            with pytest.raises(PayloadInvalid) as caught:
                repairs.read_strictly(message, bad)
            assert caught.value.code in CODE[way], (way, bad, caught.value)
            assert len(caught.value.text) <= 255


@pytest.mark.parametrize(("name", "message"), SCHEMAS, ids=[name for name, _ in SCHEMAS])
def test_the_fast_decoder_refuses_whatever_the_slow_one_does_but_formats(
    name: str, message: type[Message]
) -> None:
    rng = random.Random(name + " fast")
    node = schema(name)
    decode = msgspec.json.Decoder(message).decode
    for _ in range(PER_SCHEMA):
        case = broken(node, generate(node, rng), rng)
        if case is None or case[0] == "decimals":
            continue
        with pytest.raises(msgspec.DecodeError):
            decode(to_json(case[1]))


@pytest.mark.parametrize(("name", "message"), SCHEMAS, ids=[name for name, _ in SCHEMAS])
def test_repairing_never_fails_otherwise_than_by_name(name: str, message: type[Message]) -> None:
    rng = random.Random(name + " repaired")
    node = schema(name)
    for _ in range(PER_SCHEMA):
        tree: Any = generate(node, rng)
        ways = []
        for _ in range(rng.randrange(1, 4)):
            try:
                case = broken(node, tree, rng)
            except (KeyError, IndexError, TypeError, AttributeError):
                break  # Broken already in a way that the walk beside the schema does not survive.
            if case is not None:
                ways.append(case[0])
                tree = case[1]
        bad = to_json(tree)
        if Draft4Validator(node).is_valid(json.loads(bad, parse_float=Decimal)):
            continue  # Two breaks may mend each other.
        try:
            read = repairs.read_and_repair(message, bad)
        except PayloadInvalid:
            continue
        assert read.repairs or "decimals" in ways, (ways, bad)
        if set(ways) <= {"extra"}:
            assert read.payload == bad


def test_every_message_of_both_sets_is_read() -> None:
    names = {entry.name.removesuffix(".json") for entry in files("ocpp").joinpath("v16/schemas").iterdir()}
    assert {name for name, _ in SCHEMAS} == names
    assert len(SCHEMAS) == 78


def test_the_differences_are_only_those_written_down() -> None:
    """Each justified difference is one: without it the package's schema refuses what we take."""
    assert set(DIFFERENCES) == {"StopTransaction", "minItems", "timestamp", "number"}
    raw = json.loads(files("ocpp").joinpath("v16/schemas/MeterValues.json").read_text("utf-8-sig"))
    empty = {"connectorId": 1, "meterValue": []}
    assert not Draft4Validator(raw).is_valid(empty)
    repairs.read_strictly(ACTIONS["MeterValues"].request, to_json(empty))
    stop = {"transactionId": 1, "meterStop": 2, "timestamp": "2026-01-31T12:00:00Z"}
    repairs.read_strictly(ACTIONS["StopTransaction"].request, to_json(stop))
    stop["timestamp"] = "yesterday"
    assert Draft4Validator(schema("StopTransaction")).is_valid(stop)
    with pytest.raises(PayloadInvalid, match="timestamp"):
        repairs.read_strictly(ACTIONS["StopTransaction"].request, to_json(stop))
    profile = generate(schema("SetChargingProfile"), random.Random(0), full=True)
    profile["csChargingProfiles"]["chargingSchedule"]["minChargingRate"] = Decimal(10**15)
    assert Draft4Validator(schema("SetChargingProfile")).is_valid(profile)
    with pytest.raises(PayloadInvalid, match="out of range"):
        repairs.read_strictly(ACTIONS["SetChargingProfile"].request, to_json(profile))
