"""Reservations over HTTP, with a charge point whose answers each test chooses."""

import json
from typing import Any

import pytest

from gateway.ocpp16.actions import encode
from gateway.ocpp16.messages.reservation import ReserveNow
from state import transactions
from state.charge_points import configuration, connectors
from state.charge_points.connectors import Connector
from state.features import reservations
from state.keys import ChargePointKeys
from state.tenants import id_tags
from state.tenants.id_tags import IdTag
from tests.admin.api import TENANT, Api
from tests.admin.documented import is_documented
from tests.admin.fake_session import FakeSession, connected, is_silent
from tests.admin.problem import is_problem
from tests.admin.remembering import remembering
from tests.support.transactions import ANSWER, a_start

BASE = f"/v1/tenants/{TENANT}/charge-points/CP-1"
PATH = f"{BASE}/reservations"
WANTED = {"connector_id": 1, "id_tag": "Tag", "expiry_date": "2100-01-01T01:00:00+01:00"}
KEYS = ChargePointKeys(TENANT, "CP-1")


def accepting(_action: str, _payload: Any) -> Any:
    return {"status": "Accepted"}


async def tell_statuses(session: FakeSession, *statuses: str) -> None:
    for number, status in enumerate(statuses):
        connector = Connector(connector_id=number, status=status, error_code="NoError", received_ms=1)
        await connectors.record_status(session.store, session.lease, connector)


async def read_warnings(api: Api, action: str, payload: dict[str, Any]) -> list[str]:
    answer = await api.client.post(f"{BASE}/commands/{action}", json=payload)
    assert answer.status_code == 200, answer.text
    found: list[str] = answer.json()["warnings"]
    return found


async def test_a_reservation_can_be_made_and_read_and_cancelled(api: Api) -> None:
    answering, asked = remembering(accepting)
    async with connected(api.store, TENANT, "CP-1", answering):
        made = await api.client.post(PATH, json=WANTED | {"parent_id_tag": "Fleet"})
        assert made.status_code == 200, made.text
        command, found = made.json()["command"], made.json()["reservation"]
        number = found["reservation_id"]
        sent = {
            "connectorId": 1,
            "expiryDate": "2100-01-01T00:00:00Z",
            "idTag": "Tag",
            "reservationId": number,
            "parentIdTag": "Fleet",
        }
        assert asked == [("ReserveNow", sent)]
        assert number > 0
        assert (command["response"], command["payload"]) == ({"status": "Accepted"}, sent)
        assert (found["state"], found["connector_id"], found["id_tag"]) == ("active", 1, "Tag")
        assert (found["parent_id_tag"], found["expiry_date"]) == ("Fleet", "2100-01-01T00:00:00.000Z")
        assert (found["command"], found["ended_at"], found["transaction_id"]) == (command["id"], None, None)
        assert (await api.client.get(f"{PATH}/{number}")).json() == found
        assert (await api.client.get(PATH)).json() == {"items": [found], "next": None}

        gone = await api.client.delete(f"{PATH}/{number}")
        assert gone.status_code == 200, gone.text
        assert asked[1] == ("CancelReservation", {"reservationId": number})
        assert gone.json()["reservation"]["state"] == "cancelled"
        assert gone.json()["command"]["warnings"] == []
        assert (await api.client.get(PATH, params={"state": "active"})).json()["items"] == []
        [item] = (await api.client.get(PATH, params={"state": "cancelled"})).json()["items"]
        assert item["ended_at"] is not None


async def test_the_answers_of_the_reservation_routes_fit_the_openapi_document(api: Api) -> None:
    answering, _ = remembering(accepting)
    async with connected(api.store, TENANT, "CP-1", answering) as session:
        await transactions.start(api.store, session.lease, a_start(reservation_id=5), ANSWER)
        await is_documented(api, "reservations", await api.client.post(PATH, json=WANTED))
        await is_documented(api, "reservations", await api.client.get(PATH))
        for reservation in ("5", "6"):
            gone = await api.client.delete(f"{PATH}/{reservation}")
            await is_documented(api, "reservations/{reservation}", gone)
        await is_documented(api, "reservations/{reservation}", await api.client.get(f"{PATH}/5"))


async def test_each_reservation_request_without_an_id_gets_a_different_id(api: Api) -> None:
    answering, _ = remembering(accepting)
    async with connected(api.store, TENANT, "CP-1", answering):
        numbers = [
            (await api.client.post(PATH, json=WANTED)).json()["reservation"]["reservation_id"]
            for _ in range(3)
        ]
    assert len(set(numbers)) == 3


@pytest.mark.parametrize("status", ["Faulted", "Occupied", "Rejected", "Unavailable"])
async def test_a_reservation_that_the_charge_point_did_not_accept_is_not_listed(
    api: Api, status: str
) -> None:
    answering, _ = remembering(lambda _action, _payload: {"status": status})
    async with connected(api.store, TENANT, "CP-1", answering):
        answer = await api.client.post(PATH, json=WANTED | {"reservation_id": 7})
        assert answer.status_code == 200
        assert answer.json()["command"]["response"] == {"status": status}
        assert answer.json()["reservation"] is None
        assert (await api.client.get(PATH)).json()["items"] == []


async def test_the_cancellation_of_an_unknown_reservation_is_still_sent_to_the_charge_point(api: Api) -> None:
    answering, asked = remembering(lambda _action, _payload: {"status": "Rejected"})
    async with connected(api.store, TENANT, "CP-1", answering):
        answer = await api.client.delete(f"{PATH}/-12")
        assert answer.status_code == 200
        assert asked == [("CancelReservation", {"reservationId": -12})]
        assert answer.json()["reservation"] is None
        assert answer.json()["command"]["warnings"] == ["csms knows no reservation -12 of this charge point."]


async def test_a_rejected_cancellation_leaves_the_reservation_active(api: Api) -> None:
    statuses = {"ReserveNow": "Accepted", "CancelReservation": "Rejected"}
    answering, _ = remembering(lambda action, _payload: {"status": statuses[action]})
    async with connected(api.store, TENANT, "CP-1", answering):
        await api.client.post(PATH, json=WANTED | {"reservation_id": 7})
        answer = await api.client.delete(f"{PATH}/7")
        assert answer.json()["command"]["response"] == {"status": "Rejected"}
        assert answer.json()["reservation"]["state"] == "active"


async def test_a_reservation_is_marked_as_used_when_a_transaction_names_its_id(api: Api) -> None:
    answering, _ = remembering(accepting)
    async with connected(api.store, TENANT, "CP-1", answering) as session:
        await api.client.post(PATH, json=WANTED | {"reservation_id": 7})
        started = await transactions.start(api.store, session.lease, a_start(reservation_id=7), ANSWER)
        found = (await api.client.get(f"{PATH}/7")).json()
        assert (found["state"], found["transaction_id"]) == ("used", f"CP-1.{started.id}")
        gone = await api.client.delete(f"{PATH}/7")
        assert gone.json()["command"]["warnings"] == ["Reservation 7 was already used."]
        assert gone.json()["reservation"]["state"] == "used"


async def test_an_operator_can_remove_a_reservation_from_the_list_without_a_call_to_the_charge_point(
    api: Api,
) -> None:
    answering, asked = remembering(accepting)
    async with connected(api.store, TENANT, "CP-1", answering):
        await api.client.post(PATH, json=WANTED | {"reservation_id": 7})
        assert (await api.client.delete(f"{PATH}/7", params={"only_here": "true"})).status_code == 204
        is_problem(await api.client.delete(f"{PATH}/7", params={"only_here": "true"}), 404, "not-found")
    assert len(asked) == 1


async def test_a_reservation_request_is_answered_with_an_error_or_202_if_the_charge_point_gives_no_result(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "CP-1", is_silent):
        later = await api.client.post(PATH, json=WANTED, params={"wait": 0})
        assert later.status_code == 202, later.text
        assert later.json()["reservation"] is None
        is_problem(await api.client.delete(f"{PATH}/7", params={"timeout": 1}), 504, "deadline-passed")
    answering, _ = remembering(lambda _action, _payload: b'{"code":"NotSupported"}')
    async with connected(api.store, TENANT, "CP-1", answering):
        is_problem(await api.client.post(PATH, json=WANTED), 502, "call-error")


async def test_an_invalid_reservation_is_answered_422_with_a_json_pointer(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1", is_silent) as session:
        for change, pointer in (
            ({"expiry_date": "2030-01-01T00:00:00"}, "/expiry_date"),
            ({"id_tag": "x" * 21}, "/id_tag"),
            ({"reservation_id": 2**31}, "/reservation_id"),
            ({"connectorId": 1}, "/connectorId"),
        ):
            bad = is_problem(await api.client.post(PATH, json=WANTED | change), 422, "invalid-request")
            assert bad["errors"][0]["pointer"] == pointer
        is_problem(await api.client.get(PATH, params={"state": "gone"}), 422, "invalid-request")
        is_problem(await api.client.get(f"{PATH}/seven"), 404, "not-found")
        is_problem(await api.client.get(f"{PATH}/7"), 404, "not-found")
        is_problem(await api.client.get(PATH.replace("CP-1", "CP-2")), 404, "not-found")
        assert session.claimed == []


async def test_a_reservation_without_mistakes_has_no_warnings(api: Api) -> None:
    await id_tags.put(api.store, TENANT, IdTag(tag="TAG"))
    answering, _ = remembering(accepting)
    async with connected(api.store, TENANT, "CP-1", answering) as session:
        await tell_statuses(session, "Available", "Available")
        answer = await api.client.post(PATH, json=WANTED)
        assert answer.json()["command"]["warnings"] == []


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"connector_id": 1}, "1 is Charging"),
        ({"connector_id": 4}, "has never reported connector 4"),
        ({"connector_id": 3}, "already has the active reservation 7"),
        ({"connector_id": 0}, "ReserveConnectorZeroSupported"),
        ({"id_tag": "Nobody"}, "is unknown"),
        ({"id_tag": "Bad"}, "is Blocked"),
        ({"id_tag": "Old"}, "is Expired"),
        ({"expiry_date": "2020-01-01T00:00:00Z"}, "has already passed"),
        ({"reservation_id": 0}, "no reservation"),
        ({"reservation_id": 7}, "is replaced"),
    ],
)
async def test_a_reservation_that_the_charge_point_is_likely_to_refuse_is_sent_with_a_warning(
    api: Api, changes: dict[str, Any], part: str
) -> None:
    old = IdTag(tag="Old", expiry_date="2020-01-01T00:00:00Z")
    for tag in (IdTag(tag="Tag"), IdTag(tag="Bad", status="Blocked"), old):
        await id_tags.put(api.store, TENANT, tag)
    asked = reservations.Asked(connector_id=3, id_tag="Tag", expiry_date="2100-01-01T00:00:00Z")
    answering, calls = remembering(accepting)
    async with connected(api.store, TENANT, "CP-1", answering) as session:
        await reservations.record_made(api.store, KEYS, "00.x", 7, asked, expires_ms=4_102_444_800_000)
        await tell_statuses(session, "Available", "Charging", "Available", "Available")
        request = ReserveNow(
            connector_id=2, expiry_date="2100-01-01T00:00:00Z", id_tag="Tag", reservation_id=5
        )
        for name, value in changes.items():
            setattr(request, name, value)
        payload = json.loads(encode(request))
        [warning] = await read_warnings(api, "ReserveNow", payload)
        assert part in warning
        assert calls == [("ReserveNow", payload)]


@pytest.mark.parametrize(
    ("value", "warnings"), [("true", 0), (" TRUE", 0), ("'true'", 0), ("false", 1), (None, 1)]
)
async def test_reserving_connector_0_has_a_warning_unless_the_charge_point_reports_that_it_supports_this(
    api: Api, value: str | None, warnings: int
) -> None:
    await id_tags.put(api.store, TENANT, IdTag(tag="Tag"))
    key = "ReserveConnectorZeroSupported"
    answering, _ = remembering(accepting)
    async with connected(api.store, TENANT, "CP-1", answering):
        unknown = [] if value is not None else [key]
        known = [] if value is None else [configuration.ReportedKey(key, value, True)]
        await configuration.learn(api.store, KEYS, known, unknown, complete=False)
        answer = await api.client.post(PATH, json=WANTED | {"connector_id": 0})
        assert len(answer.json()["command"]["warnings"]) == warnings
