"""Jobs over HTTP: how they are begun with or without a request id, read, filtered and deleted."""

from typing import Any

import msgspec

from gateway.handlers import jobs as telling
from gateway.handlers.charge_point import ChargePoint, SessionMemory
from state.keys import ChargePointKeys
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import FakeSession, connected, is_silent
from tests.admin.problem import is_problem
from tests.admin.remembering import remembering

BASE = f"/v1/tenants/{TENANT}/charge-points/CP-1"
PATH = f"{BASE}/jobs"
LOCATION = "ftp://user:pass@logs.example/up?sig=abc"
MASKED = "ftp://***@logs.example/up?***"
LOG = {"logType": "SecurityLog", "log": {"remoteLocation": LOCATION}}
FIRMWARE = {
    "firmware": {
        "location": LOCATION,
        "retrieveDateTime": "2026-01-01T00:00:00Z",
        "signingCertificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "signature": "YWJj",
    }
}
PLAIN = {"location": LOCATION, "retrieveDate": "2026-01-01T00:00:00Z", "retries": 2}


def accepting(action: str, _payload: Any) -> Any:
    return {
        "UpdateFirmware": {},
        "GetDiagnostics": {"fileName": "diag.zip"},
        "GetLog": {"status": "Accepted", "filename": LOCATION},
    }.get(action, {"status": "Accepted"})


async def tell(session: FakeSession, message: Any, status: str, request_id: int | None = None) -> None:
    charge_point = ChargePoint(session.store, session.lease, SessionMemory(300, None))
    await telling.record_status(charge_point, message, status, request_id)


async def begin(api: Api, action: str, payload: Any) -> dict[str, Any]:
    response = await api.client.post(PATH, json={"action": action, "payload": payload})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def read_jobs(api: Api, query: str = "") -> dict[str, Any]:
    response = await api.client.get(PATH + query)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def test_csms_adds_a_free_request_id_to_a_log_request_that_has_none(api: Api) -> None:
    answering, asked = remembering(accepting)
    async with connected(api.store, TENANT, "CP-1", answering) as session:
        first, second = await begin(api, "GetLog", LOG), await begin(api, "GetLog", LOG)
        ids = [payload.pop("requestId") for _, payload in asked]
        assert asked == [
            ("GetLog", LOG),
            ("GetLog", LOG),
        ]  # The charge point gets the location with the credentials unmasked.
        assert ids[1] > ids[0] > 0
        assert first["warnings"] == []
        await tell(session, "LogStatusNotification", "Uploading", ids[0])
        await tell(session, "LogStatusNotification", "Uploaded", ids[0])
        read = (await api.client.get(f"{PATH}/{first['id']}")).json()
        assert read["request_id"] == ids[0]
        assert (read["kind"], read["status"], read["running"]) == ("GetLog", "Uploaded", False)
        assert read["payload"] == {
            "logType": "SecurityLog",
            "log": {"remoteLocation": MASKED},
            "requestId": ids[0],
        }
        assert read["file_name"] == MASKED
        assert [state["status"] for state in read["history"]] == ["Accepted", "Uploading", "Uploaded"]
        assert read["answered_at"] == read["history"][0]["received_at"]
        assert read["ended_at"] == read["history"][-1]["received_at"]
        everything = await read_jobs(api)
        assert [job["id"] for job in everything["items"]] == [second["id"], first["id"]]
        assert everything["items"][1] == read
        assert everything["next"] is None


async def test_a_request_id_from_the_payload_is_sent_unchanged_and_has_a_warning_if_it_was_used_before(
    api: Api,
) -> None:
    answering, asked = remembering(accepting)
    async with connected(api.store, TENANT, "CP-1", answering):
        for warnings in (0, 1):
            sent = await begin(api, "GetLog", LOG | {"requestId": -7})
            assert asked[-1] == ("GetLog", LOG | {"requestId": -7})
            assert len(sent["warnings"]) == warnings


async def test_jobs_can_be_filtered_by_their_kind_and_by_whether_they_are_running(api: Api) -> None:
    answering, _ = remembering(accepting)
    async with connected(api.store, TENANT, "CP-1", answering) as session:
        begun = {
            action: (await begin(api, action, payload))["id"]
            for action, payload in (
                ("UpdateFirmware", PLAIN),
                ("SignedUpdateFirmware", FIRMWARE),
                ("GetDiagnostics", {"location": LOCATION}),
                ("GetLog", LOG),
            )
        }
        await tell(session, "FirmwareStatusNotification", "InstallationFailed")
        for action, id_ in begun.items():
            assert [job["id"] for job in (await read_jobs(api, f"?kind={action}"))["items"]] == [id_]
        ended, running = await read_jobs(api, "?running=false"), await read_jobs(api, "?running=true")
        assert [job["id"] for job in ended["items"]] == [begun["UpdateFirmware"]]
        assert [job["kind"] for job in running["items"]] == [
            "GetLog",
            "GetDiagnostics",
            "SignedUpdateFirmware",
        ]
        [signed] = (await read_jobs(api, "?kind=SignedUpdateFirmware"))["items"]
        assert signed["payload"]["firmware"] == {
            "location": MASKED,
            "retrieveDateTime": "2026-01-01T00:00:00Z",
        }
        document = is_problem(await api.client.get(f"{PATH}?kind=Reset"), 422, "invalid-request")
        assert document["errors"][0]["parameter"] == "kind"


async def test_a_job_is_stored_as_ended_if_the_charge_point_refuses_the_request_that_begins_it(
    api: Api,
) -> None:
    words = iter(["Rejected", "InvalidCertificate", "RevokedCertificate"])
    answering, _ = remembering(lambda *_: {"status": next(words)})
    async with connected(api.store, TENANT, "CP-1", answering):
        for _ in range(3):
            await begin(api, "SignedUpdateFirmware", FIRMWARE)
    found = (await read_jobs(api))["items"]
    assert [job["status"] for job in found] == ["RevokedCertificate", "InvalidCertificate", "Rejected"]
    assert not any(job["running"] for job in found)


async def test_a_diagnostics_job_without_a_file_ends_with_the_status_nofile(api: Api) -> None:
    answering, _ = remembering(lambda *_: {})
    async with connected(api.store, TENANT, "CP-1", answering) as session:
        await begin(api, "GetDiagnostics", {"location": LOCATION})
        [job] = (await read_jobs(api))["items"]
        assert (job["status"], job["running"], job["file_name"]) == ("NoFile", False, None)
        await tell(session, "DiagnosticsStatusNotification", "Uploading")
        assert (await read_jobs(api))["items"][0]["running"]


async def test_a_request_that_is_answered_with_a_callerror_creates_no_job(api: Api) -> None:
    refused = msgspec.json.encode(
        {"code": "NotSupported", "description": f"not from {LOCATION}", "details": {"location": LOCATION}}
    )
    answering, _ = remembering(lambda *_: refused)
    async with connected(api.store, TENANT, "CP-1", answering):
        response = await api.client.post(PATH, json={"action": "UpdateFirmware", "payload": PLAIN})
        is_problem(response, 502, "call-error")
        assert response.json()["details"] == {"location": MASKED}
        assert "pass" not in response.text
    assert (await read_jobs(api))["items"] == []


async def test_the_credentials_in_a_location_url_are_masked_everywhere(api: Api) -> None:
    answering, asked = remembering(accepting)
    async with connected(api.store, TENANT, "CP-1", answering):
        for action, payload in (
            ("GetDiagnostics", {"location": LOCATION}),
            ("GetLog", LOG | {"requestId": 1}),
        ):
            sent = await api.client.post(f"{BASE}/commands/{action}", json=payload)
            read = await api.client.get(f"/v1/tenants/{TENANT}/commands/{sent.json()['id']}")
            assert LOCATION in msgspec.json.encode(asked[-1][1]).decode()
            for response in (sent, read, await api.client.get(PATH)):
                assert "user" not in response.text
                assert MASKED in response.text


async def test_credentials_are_masked_if_the_charge_point_quotes_them_in_its_answer(api: Api) -> None:
    escaped = LOCATION.replace("/", r"\/")

    async def quotes(session: FakeSession, command: str, _: object) -> None:
        await session.answer(command, f'{{"status":"Rejected","filename":"{escaped}"}}'.encode())

    async with connected(api.store, TENANT, "CP-1", quotes):
        sent = await api.client.post(f"{BASE}/commands/GetLog", json=LOG | {"requestId": 1})
        assert sent.json()["response"] == {"status": "Rejected", "filename": MASKED}


async def test_statuses_that_arrive_after_the_deletion_of_their_job_are_stored_as_notes(api: Api) -> None:
    answering, _ = remembering(accepting)
    async with connected(api.store, TENANT, "CP-1", answering) as session:
        id_ = (await begin(api, "UpdateFirmware", PLAIN))["id"]
        assert (await api.client.delete(f"{PATH}/{id_}")).status_code == 204
        is_problem(await api.client.delete(f"{PATH}/{id_}"), 404, "not-found")
        is_problem(await api.client.get(f"{PATH}/{id_}"), 404, "not-found")
        await tell(session, "FirmwareStatusNotification", "Installed")
    found = await read_jobs(api)
    assert found["items"] == []
    [note] = found["notes"]
    assert (note["message"], note["request_id"], note["status"]) == (
        "FirmwareStatusNotification",
        None,
        "Installed",
    )


async def test_a_job_exists_only_after_the_charge_point_has_answered_the_request(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1", is_silent):
        body = {"action": "GetLog", "payload": LOG}
        response = await api.client.post(f"{PATH}?wait=0", json=body)
        assert response.status_code == 202
        assert (await read_jobs(api))["items"] == []


BAD: list[tuple[Any, str]] = [
    ({"action": "Reset", "payload": {}}, "/action"),
    ({"action": "GetLog"}, "/payload"),
    ({"action": "GetLog", "payload": {}}, "/payload/log"),
    ({"action": "GetLog", "payload": LOG | {"requestId": "7"}}, "/payload/requestId"),
    (
        {"action": "GetLog", "payload": LOG | {"log": {"remoteLocation": "x" * 513}}},
        "/payload/log/remoteLocation",
    ),
    ({"action": "GetDiagnostics", "payload": {"location": "x", "requestId": 7}}, "/payload/requestId"),
]


async def test_an_invalid_job_is_answered_422_with_a_json_pointer(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        for body, pointer in BAD:
            response = await api.client.post(PATH, json=body)
            assert response.status_code == 422, response.text
            assert pointer in [fault["pointer"] for fault in response.json()["errors"]]
        assert session.claimed == []


async def test_a_request_for_jobs_of_an_unknown_charge_point_is_answered_404(api: Api) -> None:
    for method, path in (("GET", ""), ("POST", ""), ("GET", "/x"), ("DELETE", "/x")):
        body = {"action": "GetLog", "payload": LOG}
        response = await api.client.request(method, PATH + path, json=body if method == "POST" else None)
        is_problem(response, 404, "not-found")
    assert await api.store.execute("EXISTS", ChargePointKeys(TENANT, "CP-1").jobs) == 0
