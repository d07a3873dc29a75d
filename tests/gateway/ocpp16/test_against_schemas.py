"""Compare how csms reads payloads with the official JSON schemas that the `ocpp` package contains.

Payloads are generated from the schemas, some of them broken in one named way. Strict reading must agree with
the schema about each payload, except for the differences in DIFFERENCES.

These tests cover gateway/ocpp16/messages and gateway/ocpp16/faults.
"""

import json
import random
from decimal import Decimal
from importlib.resources import files
from typing import Any

import msgspec
import pytest
from jsonschema import Draft4Validator  # type: ignore[import-untyped] # comes with ocpp, without types
from msgspec import inspect

from gateway.ocpp16 import actions
from gateway.ocpp16.actions import ACTIONS, Sender
from gateway.ocpp16.errors import PayloadInvalid
from gateway.ocpp16.faults import repairs
from gateway.ocpp16.faults.reading import Read
from gateway.ocpp16.messages.types import Message
from tests.support import official_schemas
from tests.support.schema_payloads import broken, generate, schema, to_json

DIFFERENCES = {
    "StopTransaction": "reason is optional (errata: absent means Local); older sets require it",
    "minItems": "the official sets have none but for certificateHashData, and charge points send empty lists",
    "timestamp": "we check the format date-time, and jsonschema does not",
    "number": "a number from 10^15 on is refused, because a float would not hold its decimal",
}
PER_SCHEMA = 150
MUTATIONS = 6

SCHEMAS = [
    (name + suffix, message)
    for name, action in ACTIONS.items()
    for suffix, message in (("", action.request), ("Response", action.result))
]


def valid(validator: Draft4Validator, payload: bytes) -> bool:
    return bool(validator.is_valid(json.loads(payload, parse_float=Decimal)))


CODE = {
    "missing": {"OccurenceConstraintViolation"},
    "type": {"TypeConstraintViolation", "FormationViolation"},
    "long": {"PropertyConstraintViolation"},
    "enum": {"PropertyConstraintViolation"},
    "extra": {"PropertyConstraintViolation"},
    "decimals": {"PropertyConstraintViolation"},
}


@pytest.mark.parametrize(("name", "message"), SCHEMAS, ids=[name for name, _ in SCHEMAS])
def test_strict_mode_accepts_and_refuses_the_same_payloads_as_the_official_schema(
    name: str, message: type[Message]
) -> None:
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
        assert repairs.read_and_repair(message, payload) == Read(read, payload, ())
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
def test_the_fast_decoder_refuses_every_broken_payload_except_one_with_too_many_decimal_places(
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
def test_a_broken_payload_is_either_refused_or_repaired_with_its_fault_reported(
    name: str, message: type[Message]
) -> None:
    rng = random.Random(name + " repaired")
    node = schema(name)
    for _ in range(PER_SCHEMA):
        tree: Any = generate(node, rng)
        ways = []
        for _ in range(rng.randrange(1, 4)):
            try:
                case = broken(node, tree, rng)
            except (KeyError, IndexError, TypeError, AttributeError):
                break  # The payload is already so broken that it does not match the schema's structure.
            if case is not None:
                ways.append(case[0])
                tree = case[1]
        bad = to_json(tree)
        if Draft4Validator(node).is_valid(json.loads(bad, parse_float=Decimal)):
            continue  # Two changes may cancel each other.
        try:
            read = repairs.read_and_repair(message, bad)
        except PayloadInvalid:
            continue
        assert read.repairs or "decimals" in ways, (ways, bad)
        if set(ways) <= {"extra"}:
            assert read.payload == bad


def test_every_message_of_the_official_schemas_has_a_python_type() -> None:
    names = {entry.name.removesuffix(".json") for entry in files("ocpp").joinpath("v16/schemas").iterdir()}
    assert {name for name, _ in SCHEMAS} == names
    assert len(SCHEMAS) == 78


def test_each_listed_difference_from_the_official_schemas_really_exists() -> None:
    """Show for each difference a payload that we and the package's schema judge differently."""
    assert set(DIFFERENCES) == {"StopTransaction", "minItems", "timestamp", "number"}
    empty = {"connectorId": 1, "meterValue": []}
    assert not Draft4Validator(official_schemas.load("MeterValues")).is_valid(empty)
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


def _find_wrong_order(info: inspect.StructType, schema: dict[str, Any], root: dict[str, Any]) -> list[str]:
    """Return the structs whose fields are not in the order of the schema, also those inside `info`."""
    while "$ref" in schema or "items" in schema:
        name = schema.get("$ref", "").rpartition("/")[2]
        schema = root["definitions"][name] if name else schema["items"]
    properties = schema["properties"]
    wrong = [] if [f.encode_name for f in info.fields] == list(properties) else [info.cls.__name__]
    for field in info.fields:
        kind = field.type
        while isinstance(kind, inspect.Metadata | inspect.VarTupleType):
            kind = kind.type if isinstance(kind, inspect.Metadata) else kind.item_type
        if isinstance(kind, inspect.StructType):
            wrong += _find_wrong_order(kind, properties[field.encode_name], root)
    return wrong


@pytest.mark.parametrize(
    "name", [name for name, one in ACTIONS.items() if one.sender is not Sender.CHARGE_POINT]
)
def test_the_members_of_our_calls_are_in_the_order_of_the_official_schemas(name: str) -> None:
    """Some charge points read the members of a call in their order."""
    info, schema = inspect.type_info(ACTIONS[name].request), official_schemas.load(name)
    assert isinstance(info, inspect.StructType)
    assert _find_wrong_order(info, schema, schema) == []
