"""All errors of a body or a query are listed together, each with its place and what would be right."""

import json
import time
from typing import Any

import pytest

from admin.http.actions import COMMANDS, read
from admin.http.input_errors import find_errors_in_json, summarise
from admin.http.problems import InputError, Problem
from gateway.ocpp16.messages.local_auth import SendLocalList
from tests.admin.api import Api
from tests.admin.problem import is_problem

PROFILE = {
    "connectorId": "1",
    "csChargingProfiles": {
        "chargingProfileId": 1,
        "stackLevl": 0,
        "chargingProfilePurpose": "TxProfil",
        "chargingProfileKind": "Absolute",
        "validFrom": "noon",
        "validTo": "2026-01-31T12:00:00",
        "chargingSchedule": {
            "chargingRateUnit": "kilowatts",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.15}, {"limit": "x", "numberPhases": 3}],
        },
    },
}


async def test_one_answer_lists_all_three_wrong_members_of_a_body(api: Api) -> None:
    body = {"strict": "yes", "descripton": "Bay 7", "heartbeat_interval_s": 0}
    await api.client.put("/v1/tenants/acme", json={})
    response = await api.client.put("/v1/tenants/acme/charge-points/CP-1", json=body)
    document = is_problem(response, 422, "invalid-request")
    assert {error["pointer"]: error["detail"] for error in document["errors"]} == {
        "/descripton": "descripton: unknown member; did you mean description?",
        "/strict": "strict: must be true or false, not text.",
        "/heartbeat_interval_s": "heartbeat_interval_s: must be at least 1.",
    }
    assert document["detail"] == f"{document['errors'][0]['detail']} `errors` also lists 2 more errors."


async def test_errors_in_missing_members_and_in_nested_members_of_a_body_are_listed_together(
    api: Api,
) -> None:
    await api.client.put("/v1/tenants/acme", json={})
    await api.client.put("/v1/tenants/acme/charge-points/CP-1", json={})
    body = {"entries": [{"id_tag": ""}, {}, {"id_tag": "A"}, {"id_tag": "B", "status": "ok"}]}
    response = await api.client.put("/v1/tenants/acme/charge-points/CP-1/local-list", json=body)
    document = is_problem(response, 422, "invalid-request")
    pointers = [error["pointer"] for error in document["errors"]]
    assert pointers == ["/entries/0/id_tag", "/entries/1/id_tag", "/entries/3/status"]


async def test_all_wrong_parameters_of_a_query_are_listed_together(api: Api) -> None:
    response = await api.client.get("/v1/tenants?limit=0&curser=x")
    document = is_problem(response, 422, "invalid-request")
    assert document["errors"] == [
        {"parameter": "curser", "detail": "curser: unknown parameter; did you mean cursor?"},
        {"parameter": "limit", "detail": "limit: must be at least 1."},
    ]


async def test_all_errors_of_the_payload_of_a_command_are_listed(api: Api) -> None:
    await api.client.put("/v1/tenants/acme", json={})
    await api.client.put("/v1/tenants/acme/charge-points/CP-1", json={})
    path = "/v1/tenants/acme/charge-points/CP-1/commands/SetChargingProfile"
    document = is_problem(await api.client.post(path, json=PROFILE), 422, "invalid-payload")
    inside, schedule = "/csChargingProfiles", "/csChargingProfiles/chargingSchedule"
    assert {error["pointer"]: error["detail"].rpartition(": ")[2] for error in document["errors"]} == {
        "/connectorId": "must be a whole number, not text.",
        f"{inside}/stackLevl": "unknown member; did you mean stackLevel?",
        f"{inside}/stackLevel": "required, but absent.",
        f"{inside}/chargingProfilePurpose": '"TxProfil" is not allowed; did you mean TxProfile?',
        f"{inside}/validFrom": "must be a date and time with zone, such as 2026-01-31T12:00:00Z.",
        f"{inside}/validTo": "must be a date and time with zone, such as 2026-01-31T12:00:00Z.",
        f"{schedule}/chargingRateUnit": 'must be A or W, not "kilowatts".',
        f"{schedule}/chargingSchedulePeriod/0/limit": "must have at most one decimal.",
        f"{schedule}/chargingSchedulePeriod/1/startPeriod": "required, but absent.",
        f"{schedule}/chargingSchedulePeriod/1/limit": "must be a number, not text.",
    }


async def test_a_charging_limit_that_is_too_large_for_decimal_arithmetic_is_answered_422(api: Api) -> None:
    await api.client.put("/v1/tenants/acme", json={})
    await api.client.put("/v1/tenants/acme/charge-points/CP-1", json={})
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1e30}],
        },
    }
    path = "/v1/tenants/acme/charge-points/CP-1/commands/SetChargingProfile"
    body = {"connectorId": 1, "csChargingProfiles": profile}
    document = is_problem(await api.client.post(path, json=body), 422, "invalid-payload")
    assert "out of range" in document["detail"]


@pytest.mark.parametrize(
    ("count", "listed", "sentence"),
    [
        (1, 1, ""),
        (2, 2, " `errors` also lists 1 more error."),
        (50, 50, " `errors` also lists 49 more errors."),
        (51, 50, " There are 51 errors; `errors` lists the first 50."),
        (5000, 50, " There are at least 1000 errors; `errors` lists the first 50."),
    ],
)
def test_an_answer_lists_at_most_fifty_errors_and_says_in_its_detail_how_many_there_are(
    count: int, listed: int, sentence: str
) -> None:
    found = (InputError(f"x{number}: wrong.") for number in range(count))
    detail, errors = summarise(found, InputError("unused"))
    assert len(errors) == listed
    assert detail == f"x0: wrong.{sentence}"


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        (b'{"type": "soft", "type": "Soft"}', ""),
        (b'{"type": 1e999}', "/type"),
        (b'{"type": "Soft", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}", "/x"),
    ],
)
def test_a_payload_that_is_not_readable_json_is_refused_with_exactly_one_error(
    payload: bytes, path: str
) -> None:
    with pytest.raises(Problem) as refused:
        read("Reset", payload)
    assert len(refused.value.errors) == 1
    assert refused.value.errors[0].pointer == path


@pytest.mark.parametrize("action", COMMANDS)
def test_the_problem_for_an_invalid_payload_names_the_path_of_its_first_error(action: str) -> None:
    for payload in (
        {"nonsense": 1},
        {"type": 1, "vendorId": 1, "key": [1], "connectorId": "x", "nonsense": 1},
    ):
        with pytest.raises(Problem) as refused:
            read(action, json.dumps(payload).encode())
        assert refused.value.errors[0].pointer == f"/{refused.value.members['path']}"


@pytest.mark.parametrize("last", [{}, {"idTag": 7}])
def test_errors_in_a_large_body_are_found_in_less_than_five_seconds(last: Any) -> None:
    entries = [*({"idTag": "x"} for _ in range(16_000)), last]
    body = json.dumps({"listVersion": 1, "updateType": "Full", "localAuthorizationList": entries}).encode()
    began = time.process_time()
    (found,) = find_errors_in_json(body, SendLocalList, formats=True)
    assert time.process_time() - began < 5
    assert found.pointer == "/localAuthorizationList/16000/idTag"
