"""The OpenAPI document is complete: every route, reference, error, member and parameter is described."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema  # type: ignore[import-untyped]  # only schemathesis brings it
import pytest
import trio
from schemathesis import Case, checks
from schemathesis import openapi as schemathesis_openapi

from admin.http.actions import COMMANDS
from tests.admin.api import TENANT, Api

METHODS = {
    "/v1/tenants": {"get"},
    "/v1/tenants/{tenant}": {"get", "put", "patch", "delete"},
    "/v1/tenants/{tenant}/tokens": {"get", "post"},
    "/v1/tenants/{tenant}/tokens/{token_id}": {"patch", "delete"},
    "/v1/refusals": {"get"},
    "/v1/tenants/{tenant}/refusals": {"get"},
    "/v1/nodes": {"get"},
    "/v1/nodes/{node}": {"get"},
    "/v1/nodes/{node}/drain": {"delete", "post"},
    "/v1/nodes/{node}/shed": {"post"},
    "/v1/denied-certificates": {"get", "post"},
    "/v1/denied-certificates/{denied}": {"delete"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/refusals": {"get", "delete"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/security": {"get", "patch"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/authorization-key": {"put", "delete"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/authorization-key/change": {"post"},
    "/v1/tenants/{tenant}/charge-points": {"get"},
    "/v1/tenants/{tenant}/overview": {"get"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}": {"get", "put", "patch", "delete"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/disconnect": {"post"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/faults": {"get", "delete"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/accept": {"post"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/commands": {"get"},
    **{f"/v1/tenants/{{tenant}}/charge-points/{{charge_point}}/commands/{one}": {"post"} for one in COMMANDS},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/configuration": {"get", "patch", "delete"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/configuration/refresh": {"post"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/local-list": {"get", "put", "patch"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/local-list/accepted": {"get", "delete"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/local-list/from-id-tags": {"post"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/local-list/send": {"post"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/reservations": {"get", "post"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/reservations/{reservation}": {"get", "delete"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/charging-profiles": {"get", "delete"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/charging-profiles/{charging_profile}": {
        "get",
        "put",
        "delete",
    },
    "/v1/tenants/{tenant}/charge-points/{charge_point}/charging-profiles/composite-schedule": {"get", "post"},
    "/v1/tenants/{tenant}/batches": {"get", "post"},
    "/v1/tenants/{tenant}/batches/{batch}": {"get"},
    "/v1/tenants/{tenant}/batches/{batch}/cancel": {"post"},
    "/v1/tenants/{tenant}/batches/{batch}/items": {"get"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/jobs": {"get", "post"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/jobs/{job}": {"get", "delete"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/security-events": {"get"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/security-events/{security_event}": {"delete"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/certificates": {"get"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/certificates/refresh": {"post"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/certificates/{certificate}": {"delete"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/orphaned-stops": {"get"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/orphaned-stops/{orphan}": {"delete"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/orphaned-stops/{orphan}/join": {"post"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/stray-meter-values": {"get"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/unreadable-facts": {"get"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/unreadable-facts/{fact}": {"delete"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/trace": {"get", "put", "delete"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/trace/frames": {"get"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/trace/stream": {"get"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/certificate-request": {"get", "delete"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/certificate-request/approve": {"post"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/certificate-request/reject": {"post"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/issued-certificates": {"get"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/issued-certificates/{serial_number}": {"get"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/issued-certificates/{serial_number}/revoke": {"post"},
    "/v1/tenants/{tenant}/certificates": {"get"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/data-transfers": {"get"},
    "/v1/tenants/{tenant}/charge-points/{charge_point}/data-transfers/{data_transfer}": {"delete"},
    "/v1/tenants/{tenant}/data-transfer-vendors": {"get"},
    "/v1/tenants/{tenant}/data-transfer-vendors/{vendor}": {"get", "put", "delete"},
    "/v1/tenants/{tenant}/commands/{command}": {"get"},
    "/v1/tenants/{tenant}/commands/{command}/cancel": {"post"},
    "/v1/tenants/{tenant}/id-tags": {"get"},
    "/v1/tenants/{tenant}/id-tags/{tag}": {"get", "put", "patch", "delete"},
    "/v1/tenants/{tenant}/id-tags/{tag}/holds": {"get"},
    "/v1/tenants/{tenant}/id-tags/{tag}/holds/{hold}": {"delete"},
    "/v1/tenants/{tenant}/transactions": {"get"},
    "/v1/tenants/{tenant}/transactions/{transaction}": {"get"},
    "/v1/tenants/{tenant}/transactions/{transaction}/meter-values": {"get"},
    "/v1/tenants/{tenant}/transactions/completed": {"get"},
    "/v1/tenants/{tenant}/transactions/{transaction}/meter-values-without-id": {"get"},
    "/v1/tenants/{tenant}/transactions/{transaction}/end": {"post"},
    "/v1/tenants/{tenant}/events": {"get"},
}
TIME_NAMES = re.compile(
    r"as_of|at|from|expires_before|last_seen|since|timestamp|until|not_(before|after)|schedule_start|expiry.*"
    r"|valid(From|To)|(?!out_of).*(_at|_since|_date|Date|DateTime|Timestamp)|st(art|op)Time|startSchedule"
)
"""Names of members that hold a time, in the API and in OCPP."""


@pytest.fixture
async def document(api: Api) -> dict[str, Any]:
    async with httpx.AsyncClient(verify=False) as stranger:
        response = await stranger.get(f"{api.url}/openapi.json")
    assert response.headers["content-type"].startswith("application/json")
    found: dict[str, Any] = response.json()
    return found


async def test_the_openapi_document_lists_all_routes_and_nothing_else(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert {path: set(methods) for path, methods in document["paths"].items()} == METHODS


async def test_every_reference_in_the_openapi_document_resolves(document: dict[str, Any]) -> None:
    references = [value for key, value in _members(document) if key == "$ref"]
    assert references
    for reference in references:
        found: Any = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert found


async def test_every_schema_in_the_openapi_document_is_valid_json_schema(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


async def test_every_operation_has_a_summary_and_a_tag_and_a_security_rule_and_descriptions_of_its_errors(
    document: dict[str, Any],
) -> None:
    assert document["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"
    ids = []
    for operations in document["paths"].values():
        for operation in operations.values():
            ids.append(operation["operationId"])
            assert operation["security"] == [{"apiKey": []}]
            assert operation["summary"].endswith(".")
            assert operation["tags"]
            assert {"401", "503"} <= set(operation["responses"])
            assert any(status.startswith("2") for status in operation["responses"])
            for status, response in operation["responses"].items():
                assert response["description"]
                if status.startswith(("4", "5")):
                    assert list(response["content"]) == ["application/problem+json"]
    assert len(ids) == len(set(ids))


async def test_every_schema_and_member_and_parameter_has_a_description(document: dict[str, Any]) -> None:
    undescribed = [
        name for name, schema in document["components"]["schemas"].items() if not _has_description(schema)
    ]
    undescribed += [place for place, member in _properties(document) if not _has_description(member)]
    undescribed += [
        f"{operation['operationId']} {parameter['name']}"
        for operation, parameter in _parameters(document)
        if not _has_description(parameter)
    ]
    assert undescribed == []


async def test_every_member_that_is_a_time_has_the_format_date_time(document: dict[str, Any]) -> None:
    members = [*_properties(document)]
    members += [(parameter["name"], parameter["schema"]) for _, parameter in _parameters(document)]
    times = [(place, member) for place, member in members if TIME_NAMES.fullmatch(place.rpartition(".")[2])]
    assert len(times) > 50
    assert [place for place, member in times if "date-time" not in _formats(member)] == []
    others = [place for place, member in members if "date-time" in _formats(member)]
    assert [place for place in others if not TIME_NAMES.fullmatch(place.rpartition(".")[2])] == []


async def test_every_ocpp_action_has_a_schema_with_the_name_of_the_action(document: dict[str, Any]) -> None:
    assert set(COMMANDS) <= set(document["components"]["schemas"])


async def test_the_integers_of_commands_are_described_as_having_64_bits_and_are_read_so(
    api: Api, document: dict[str, Any]
) -> None:
    schemas = document["components"]["schemas"]
    members = [
        (place, member)
        for place, member in _properties(document)
        if place.partition(".")[0] in COMMANDS and member.get("type") == "integer"
    ]
    assert len(members) > 20
    for place, member in members:
        assert (member["minimum"], member["maximum"]) == (-(2**63), 2**63 - 1), place
    assert schemas["ChargingSchedulePeriod"]["properties"]["limit"]["exclusiveMaximum"] == 10**15
    await api.client.put(f"/v1/tenants/{TENANT}/charge-points/CP-1", json={})
    path = f"/v1/tenants/{TENANT}/charge-points/CP-1/commands/UnlockConnector"
    for connector, status in ((2**63 - 1, 409), (2**63, 422), (-(2**63), 409), (-(2**63) - 1, 422)):
        answer = await api.client.post(path, json={"connectorId": connector})
        assert answer.status_code == status, connector


async def test_each_command_is_described_with_the_body_and_the_parameters_of_its_action(
    document: dict[str, Any],
) -> None:
    commands = "/v1/tenants/{tenant}/charge-points/{charge_point}/commands/"
    for action in COMMANDS:
        operation = document["paths"][f"{commands}{action}"]["post"]
        body = operation["requestBody"]
        assert body["content"]["application/json"]["schema"] == {"$ref": f"#/components/schemas/{action}"}
        assert body["required"] is bool(document["components"]["schemas"][action].get("required"))
        assert action in operation["summary"]
        parameters = {part["name"]: part["schema"] for part in operation["parameters"]}
        assert ("firmware_sha256" in parameters) is (action == "SignedUpdateFirmware")
        starts = ["answer", "transaction"] if action == "RemoteStartTransaction" else ["answer"]
        assert parameters["wait_for"]["enum"] == starts


async def test_each_part_of_a_path_has_a_pattern_that_its_example_fits(document: dict[str, Any]) -> None:
    parts = [parameter for _, parameter in _parameters(document) if parameter["in"] == "path"]
    assert len(parts) > 100
    for part in parts:
        for example in part["schema"]["examples"]:
            assert re.fullmatch(part["schema"]["pattern"], example), part


async def test_a_body_may_be_left_out_if_the_openapi_document_calls_the_body_optional(
    api: Api, document: dict[str, Any]
) -> None:
    for path, method, status in (("", "put", 200), ("/tokens", "post", 201)):
        operation = document["paths"][f"/v1/tenants/{{tenant}}{path}"][method]
        assert not operation["requestBody"]["required"]
        assert (await api.client.request(method, f"/v1/tenants/{TENANT}{path}")).status_code == status


async def test_a_body_is_required_if_it_has_a_required_member(document: dict[str, Any]) -> None:
    charge_point = "/v1/tenants/{tenant}/charge-points/{charge_point}"
    for path, method, required in (
        ("/reservations", "post", True),
        ("/jobs", "post", True),
        ("/charging-profiles/{charging_profile}", "put", True),
        ("/configuration", "patch", True),
        ("/local-list/send", "post", False),
        ("/trace", "put", False),
    ):
        operation = document["paths"][f"{charge_point}{path}"][method]
        assert operation["requestBody"]["required"] is required, path


@pytest.mark.parametrize(
    ("name", "fitting", "others"),
    [
        (
            "Denial",
            [
                {"fingerprint": "ab" * 32, "issuer": None},
                {"issuer": "CN=x", "serial_number": "3f", "why": "x"},
            ],
            [{}, {"why": "x"}, {"issuer": "CN=x"}, {"fingerprint": "ab" * 32, "serial_number": "3f"}],
        ),
        (
            "NewJob",
            [
                {"action": "GetLog", "payload": {"logType": "SecurityLog", "log": {"remoteLocation": "x"}}},
                {"action": "GetDiagnostics", "payload": {"location": "ftp://x"}},
            ],
            [
                {"action": "GetLog", "payload": {"location": "ftp://x"}},
                {"action": "UpdateFirmware", "payload": {"location": "ftp://x"}},
                {"action": "Reset", "payload": {"type": "Soft"}},
            ],
        ),
    ],
)
async def test_a_body_with_several_forms_is_described_with_each_of_them(
    document: dict[str, Any], name: str, fitting: list[dict[str, Any]], others: list[dict[str, Any]]
) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    is_valid = jsonschema.Draft202012Validator(schema).is_valid
    assert [one for one in fitting if not is_valid(one)] == []
    assert [one for one in others if is_valid(one)] == []


async def test_the_answers_of_the_api_fit_the_openapi_document(api: Api, document: dict[str, Any]) -> None:
    await api.client.put(f"/v1/tenants/{TENANT}/charge-points/CP-1", json={"description": "x"})
    await api.client.put(f"/v1/tenants/{TENANT}/id-tags/x", json={})
    for path, concrete in (
        ("/v1/tenants", "/v1/tenants"),
        ("/v1/tenants/{tenant}", f"/v1/tenants/{TENANT}"),
        ("/v1/tenants/{tenant}/charge-points", f"/v1/tenants/{TENANT}/charge-points"),
        ("/v1/tenants/{tenant}/charge-points/{charge_point}", f"/v1/tenants/{TENANT}/charge-points/CP-1"),
        ("/v1/tenants/{tenant}/id-tags", f"/v1/tenants/{TENANT}/id-tags"),
        ("/v1/tenants/{tenant}/id-tags/{tag}", f"/v1/tenants/{TENANT}/id-tags/x"),
        ("/v1/tenants/{tenant}/transactions", f"/v1/tenants/{TENANT}/transactions"),
    ):
        response = await api.client.get(concrete)
        assert response.status_code == 200
        content = document["paths"][path]["get"]["responses"]["200"]["content"]
        schema = {**content["application/json"]["schema"], "components": document["components"]}
        jsonschema.validate(response.json(), schema)


@pytest.mark.slow
async def test_random_requests_get_only_answers_that_the_openapi_document_describes(
    api: Api, document: dict[str, Any]
) -> None:
    """Any request gets an answer that the document describes, and never a 500."""
    document["paths"].pop("/v1/tenants/{tenant}/events")  # The event stream never ends, so it is left out.
    document["paths"].pop("/v1/tenants/{tenant}/charge-points/{charge_point}/trace/stream")
    schema = schemathesis_openapi.from_dict(document)
    checks.load_all_checks()
    names = [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    ]
    wanted: Any = checks.CHECKS.get_by_names(names)
    headers = {"Authorization": api.client.headers["Authorization"]}

    def call(case: Case[Any]) -> None:
        case.path_parameters = {**(case.path_parameters or {}), "tenant": TENANT}
        if case.query and "wait" in case.query:
            case.query["wait"] = 0
        response = case.call(base_url=api.url, headers=headers, timeout=60)
        case.validate_response(response, checks=wanted)

    for result in schema.get_all_operations():
        operation: Any = result
        await trio.to_thread.run_sync(_run, operation.ok(), call)


def _run(operation: Any, call: Any) -> None:
    from hypothesis import HealthCheck, given, settings  # noqa: PLC0415  only the slow test wants it

    @settings(max_examples=30, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def once(case: Case[Any]) -> None:
        call(case)

    once()


def _has_description(node: dict[str, Any]) -> bool:
    return bool(node.get("description", "").strip())


def _properties(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each property of each schema and of each nested schema, with the place of the property."""

    def walk(node: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
        if isinstance(node, list):
            for one in node:
                yield from walk(one, place)
        elif isinstance(node, dict):
            for key, value in node.items():
                if key == "properties" and isinstance(value, dict):
                    for name, member in value.items():
                        yield f"{place}.{name}", member
                        yield from walk(member, f"{place}.{name}")
                elif key not in {"example", "examples", "default", "enum"}:
                    yield from walk(value, place)

    for name, schema in document["components"]["schemas"].items():
        yield from walk(schema, name)
    yield from walk(document["paths"], "paths")


def _parameters(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation["parameters"]:
                yield operation, parameter


def _formats(schema: dict[str, Any]) -> set[str]:
    return {one["format"] for one in (schema, *schema.get("anyOf", ())) if "format" in one}


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield key, member
            yield from _members(member)
    elif isinstance(value, list):
        for member in value:
            yield from _members(member)
