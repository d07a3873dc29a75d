"""Routes handle extreme values of the right type, or refuse them with a JSON pointer.

These tests cover admin/routes.
"""

import msgspec
import pytest

from gateway.ocpp16.protocol import UNREADABLE
from state import charge_points
from state.charge_points import Settings
from state.commands import Go
from state.keys import ChargePointKeys
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import Answering, FakeSession, connected
from tests.admin.problem import is_problem

BASE = f"/v1/tenants/{TENANT}"
CP = f"{BASE}/charge-points/CP-1"


@pytest.mark.parametrize("expiry", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
async def test_a_request_with_a_time_outside_the_years_1_to_9999_is_answered_422(
    api: Api, expiry: str
) -> None:
    await charge_points.put(api.store, TENANT, "CP-1", Settings())
    reservation = {"connector_id": 1, "id_tag": "TAG", "expiry_date": expiry}
    entry = {"id_tag": "TAG", "expiry_date": expiry}
    for answer, pointer in (
        (await api.client.post(f"{CP}/reservations", json=reservation), "/expiry_date"),
        (await api.client.put(f"{BASE}/id-tags/TAG", json={"expiry_date": expiry}), "/expiry_date"),
        (await api.client.put(f"{CP}/local-list", json={"entries": [entry]}), "/entries/0/expiry_date"),
        (await api.client.patch(f"{CP}/local-list", json={"put": [entry]}), "/put/0/expiry_date"),
    ):
        document = is_problem(answer, 422, "invalid-request")
        assert document["errors"] == [
            {
                "detail": "The time is outside the years 1 to 9999 in UTC; give one inside them.",
                "pointer": pointer,
            }
        ]


@pytest.mark.parametrize("text", ["a" * 65_600, "\N{LATIN SMALL LETTER E WITH ACUTE}" * 33_000])
async def test_a_command_payload_over_the_size_limit_is_answered_422(api: Api, text: str) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        for path, body in (
            ("commands/DataTransfer", {"vendorId": "v", "data": text}),
            ("jobs", {"action": "GetDiagnostics", "payload": {"location": text}}),
        ):
            document = is_problem(await api.client.post(f"{CP}/{path}", json=body), 422, "payload-too-large")
            assert document["detail"].startswith("The payload has 6")
            assert document["detail"].endswith("; a command may have at most 65,536.")
        fits = await api.client.post(
            f"{CP}/commands/DataTransfer", json={"vendorId": "v", "data": "a" * 65_000}
        )
        assert fits.status_code == 200, fits.text
        assert len(session.claimed) == 1


def answering(response: bytes) -> Answering:
    async def answer(session: FakeSession, command: str, _: Go) -> None:
        await session.answer(command, response)

    return answer


async def test_an_answer_with_a_number_too_large_for_a_float_is_returned_to_the_operator(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1", answering(b'{"status":"Accepted","of":1e999}')):
        await api.client.put(f"{CP}/local-list", json={"entries": []})
        changed = await api.client.patch(f"{CP}/configuration", json={"HeartbeatInterval": "60"})
        assert changed.json()["changes"][0]["status"] == "Accepted", changed.text
        sent = await api.client.post(f"{CP}/local-list/send")
        assert sent.json()["outcome"] == "accepted", sent.text
        assert (await api.client.post(f"{CP}/configuration/refresh")).status_code == 200
        start = f"{CP}/commands/RemoteStartTransaction?wait=0.1&wait_for=transaction"
        assert (await api.client.post(start, json={"idTag": "TAG"})).status_code == 202


@pytest.mark.parametrize(
    ("code", "more", "says"),
    [
        ("", {}, "The charge point answered with an error that has no code."),
        ("E" * 60_000, {}, f"The charge point answered with the error {'E' * 47}...."),
        ("X", {"unreadable": True}, "The charge point's answer cannot be read: status: no."),
        ("X", {}, "The charge point answered with the error X."),
    ],
)
async def test_a_callerror_of_the_charge_point_is_answered_502_with_an_explanation(
    api: Api, code: str, more: dict[str, bool], says: str
) -> None:
    async def refuses(session: FakeSession, command: str, _: Go) -> None:
        error = {"code": code, "description": f"{UNREADABLE}status: no", "details": {}, **more}
        await session.refuse(command, msgspec.json.encode(error))

    async with connected(api.store, TENANT, "CP-1", refuses):
        document = is_problem(await api.client.post(f"{CP}/commands/ClearCache"), 502, "call-error")
    assert (document["detail"], document["code"]) == (says, code)
    assert document["command"]["error"] == {
        "code": code,
        "description": f"{UNREADABLE}status: no",
        "details": {},
    }


async def test_the_404_for_a_charge_point_that_was_deleted_between_two_messages_lists_the_steps_so_far(
    api: Api,
) -> None:
    async def is_deleted_after_one(session: FakeSession, command: str, _: Go) -> None:
        await api.store.execute("DEL", ChargePointKeys(TENANT, "CP-1").record)
        await session.answer(command, b'{"status":"Accepted"}')

    await charge_points.put(api.store, TENANT, "CP-1", Settings())
    entries = [{"id_tag": tag} for tag in "abcd"]
    await api.client.put(f"{CP}/local-list", json={"entries": entries})
    async with connected(api.store, TENANT, "CP-1", is_deleted_after_one):
        gone = await api.client.post(f"{CP}/local-list/send", json={"max_entries": 2})
    problem = is_problem(gone, 404, "not-found")
    assert [step["list_version"] for step in problem["steps"]] == [1]
