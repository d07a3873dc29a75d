"""Secrets are masked wherever they stand in the texts of charge points and operators."""

import json
import time
from typing import Any

import msgspec
import pytest

from gateway.service.frame_masking import FrameMasker

SECRET = "s3cr3t/PASS w\u00f6rd"
SHOWN = json.dumps(SECRET)


def mask(written: str, *, locations: bool = False) -> str:
    return bytes(FrameMasker(locations=locations).mask_json(msgspec.Raw(written.encode()))).decode()


@pytest.mark.parametrize(
    "written",
    [
        '{"configurationKey":[{"key":"AuthorizationKey","readonly":false,"value":S}]}',
        '{"configurationKey":[{"value":S,"key":" authorizationKEY "}]}',
        '{"configurationKey":[{"key":"Authorization_Key","value":S}]}',
        '{"configurationKey":[{"key":"Authorization\\u004bey","value":S}]}',
        '{"ConfigurationKey":[{"Key":"AuthorizationKey","Value":S}]}',
        '{"configurationKey":[{"key":"AuthorizationKey","value":null,"default":S}]}',
        '{"configurationKey":[{"key":"BasicAuthPassword","value":S}]}',
        '{"configurationKey":[{"key":"AuthorizationKey","value":{"is":[S]}}]}',
        '{"configurationKey":[],"AuthorizationKey":S}',
        '{"vendorId":"v","messageId":"SetAuthorizationKey","data":S}',
        '{"code":"GenericError","description":"not S","details":{"key":"AuthorizationKey","value":S}}',
    ],
)
def test_a_secret_is_masked_wherever_it_stands_in_a_payload(written: str) -> None:
    inner = (
        written.replace('"not S"', json.dumps(f"not {SECRET}"))
        .replace(":S", f":{SHOWN}")
        .replace("[S]", f"[{SHOWN}]")
    )
    for whole in (inner, json.dumps({"vendorId": "v", "data": inner})):
        found = json.loads(mask(whole))
        assert SECRET not in str(found)
        assert "***" in str(found)


def test_a_secret_is_masked_even_if_a_json_object_contains_the_same_member_name_twice() -> None:
    written = '{"configurationKey":[{"key":"AuthorizationKey","key":"x","value":"secret","value":"y"}]}'
    assert json.loads(mask(written)) == {"configurationKey": [{"key": "x", "value": "***"}]}
    assert "secret" not in mask(written)


def test_a_secret_that_is_masked_in_one_place_of_a_command_is_masked_in_all_other_places_too() -> None:
    masker = FrameMasker(locations=False)
    masker.mask_json(msgspec.Raw(json.dumps({"key": "AuthorizationKey", "value": SECRET}).encode()))
    echo: dict[str, Any] = {"status": "Accepted", "echo": [f"is {SECRET}."]}
    assert json.loads(bytes(masker.mask_json(msgspec.Raw(json.dumps(echo).encode())))) == {
        "status": "Accepted",
        "echo": ["is ***."],
    }


@pytest.mark.parametrize(
    "written",
    [
        '{"status": "Accepted"}',
        '{"configurationKey":[{"key":"HeartbeatInterval","readonly":false,"value":"5"}],"unknownKey":["x"]}',
        '{"configurationKey":[{"key":"AuthorizationKey","readonly":true,"value":"***"}]}',
        '{"key":"x","limit":0.10,"big":123456789012345678901234567890}',
    ],
)
def test_json_without_secrets_is_not_changed_by_the_masking(written: str) -> None:
    assert mask(written) == written


def test_masking_keeps_huge_numbers_and_writes_null_for_json_that_is_nested_too_deeply() -> None:
    assert json.loads(mask('{"key":1e999}')) == {"key": float("inf")}
    assert mask('{"key":1e99999999999999999999}') == '{"key":1e99999999999999999999}'
    assert mask('{"key":' + "[" * 20_000 + "]" * 20_000 + "}") == "null"


def test_the_credentials_and_the_query_string_of_a_location_url_are_masked() -> None:
    location = json.dumps({"location": "ftp://user:word@h/x?sig=1"})
    assert mask(location, locations=True) == '{"location": "ftp://***@h/x?***"}'
    assert mask(location) == '{"location": "ftp://***@h/x?sig=1"}'


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        ("", "://"),
        ("OCPP16", "/"),
        ("OCPP16/", "%"),
        ("://", ":"),
        ("token", " "),
        ("cookie:", "\\"),
        ("{", "["),
    ],
)
def test_masking_a_hostile_answer_takes_less_than_two_seconds(head: str, piece: str) -> None:
    """This must be fast, because the process serves no other request during the masking."""
    secrets = [{"key": f"Password{number}", "value": f"secret{number}"} for number in range(700)]
    texts = [head + piece * (20_000 // len(piece)), *[piece] * 4_000]
    began = time.process_time()
    for locations in (False, True):
        mask(json.dumps({"configurationKey": secrets, "unknownKey": texts}), locations=locations)
    assert time.process_time() - began < 2.0
