import json
import random
from decimal import Decimal

import pytest
from jsonschema import Draft4Validator  # type: ignore[import-untyped] # comes with ocpp, without types

from gateway.ocpp16.actions import ACTIONS
from loadtest.correctness.schemas import find_fault
from tests.support.schema_payloads import broken, generate, schema, to_json

PER_ACTION = 20


@pytest.mark.parametrize("action", ACTIONS)
def test_an_answer_has_a_fault_exactly_if_the_official_schema_refuses_it(action: str) -> None:
    rng = random.Random(action)
    node = schema(f"{action}Response")
    validator = Draft4Validator(node)
    for number in range(PER_ACTION):
        payload = to_json(generate(node, rng, full=number % 5 == 0))
        assert validator.is_valid(json.loads(payload, parse_float=Decimal))
        assert find_fault(action, payload) is None
        case = broken(node, json.loads(payload, parse_float=Decimal), rng)
        if case is not None:
            bad = to_json(case[1])
            assert not validator.is_valid(json.loads(bad, parse_float=Decimal))
            if bad != b"null":  # OCPP-J permits null for an empty payload.
                assert find_fault(action, bad) is not None, bad


def test_a_time_without_a_zone_is_a_fault_that_names_the_field_and_what_would_be_right() -> None:
    fault = find_fault("Heartbeat", b'{"currentTime":"2026-01-31 12:00"}')
    assert fault is not None
    assert fault.startswith("currentTime: must be an ISO 8601 date and time with zone")


@pytest.mark.parametrize("payload", [b"", b"{", b"[" * 5_000, b'"\xff"', b"17"])
def test_what_is_not_an_object_of_json_is_a_fault(payload: bytes) -> None:
    assert find_fault("Heartbeat", payload) is not None


def test_null_is_a_good_answer_without_members_only() -> None:
    assert find_fault("StatusNotification", b"null") is None
    assert find_fault("Heartbeat", b"null") == "currentTime: required, but absent"


def test_the_answer_to_an_action_that_ocpp_does_not_have_has_no_schema() -> None:
    assert find_fault("Dance", b"[]") is None
