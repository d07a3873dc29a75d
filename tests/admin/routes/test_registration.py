"""Registration over HTTP: the policies of charge points and tenants, and how an operator accepts a charge
point.

These tests cover admin/routes/charge_points.py and admin/routes/tenants.py.
"""

from typing import Any

import pytest
import trio

from state import charge_points
from state.charge_points import Settings
from state.nodes.inbox import SettingsChanged
from state.tenants import tenants
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import connected
from tests.admin.problem import is_problem

BASE = f"/v1/tenants/{TENANT}"
PATH = f"{BASE}/charge-points/CP-1"
POLICY = {"registration": "Pending", "registration_interval_s": 600, "heartbeat_interval_s": 900}


async def test_the_registration_policy_of_a_charge_point_can_be_put_and_read(api: Api) -> None:
    defaults = {"registration": "Accepted", "registration_interval_s": 60, "heartbeat_interval_s": None}
    created = (await api.client.put(PATH, json={})).json()
    assert {name: created[name] for name in defaults} == defaults
    assert created["awaiting_release"] is False
    put = (await api.client.put(PATH, json=POLICY)).json()
    assert {name: put[name] for name in POLICY} == POLICY
    assert put["awaiting_release"] is True
    assert (await api.client.get(PATH)).json() == put
    assert (await api.client.get(f"{BASE}/charge-points")).json()["items"][0]["registration"] == "Pending"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"registration": "pending"}, "/registration"),
        ({"registration_interval_s": 0}, "/registration_interval_s"),
        ({"registration_interval_s": 86_401}, "/registration_interval_s"),
        ({"heartbeat_interval_s": 0}, "/heartbeat_interval_s"),
        ({"heartbeat_interval_s": "60"}, "/heartbeat_interval_s"),
    ],
)
async def test_an_invalid_registration_policy_is_answered_422_with_a_json_pointer(
    api: Api, body: object, pointer: str
) -> None:
    document = is_problem(await api.client.put(PATH, json=body), 422, "invalid-request")
    assert document["errors"][0]["pointer"] == pointer


async def test_the_registration_policy_of_a_tenant_can_be_put_and_read(api: Api) -> None:
    put = await api.client.put(BASE, json={"auto_register": True, "registration": "Rejected"})
    assert put.json()["registration"] == "Rejected"
    found = await tenants.get(api.store, TENANT)
    assert found is not None
    assert found.registration == "Rejected"
    assert (await api.client.put(BASE, json={})).json()["registration"] == "Accepted"
    document = is_problem(await api.client.put(BASE, json={"registration": "no"}), 422, "invalid-request")
    assert document["errors"][0]["pointer"] == "/registration"


async def test_the_list_of_charge_points_can_be_filtered_by_boot_status(api: Api) -> None:
    for name, registration in (("A", "Accepted"), ("P", "Pending"), ("R", "Rejected")):
        await api.client.put(f"{BASE}/charge-points/{name}", json={"registration": registration})
        async with connected(api.store, TENANT, name) as session:
            await charge_points.boot(api.store, session.lease, b"{}")

    async def read_ids(**query: Any) -> list[str]:
        response = await api.client.get(f"{BASE}/charge-points", params=query)
        assert response.status_code == 200, response.text
        return [one["id"] for one in response.json()["items"]]

    assert await read_ids() == ["A", "P", "R"]
    assert await read_ids(boot_status="Pending") == ["P"]
    assert await read_ids(boot_status="Rejected", online="true") == ["R"]
    assert await read_ids(boot_status="Rejected", online="false") == []
    assert await read_ids(boot_status="Accepted") == ["A"]
    is_problem(await api.client.get(f"{BASE}/charge-points?boot_status=x"), 422, "invalid-request")


async def test_the_session_of_a_charge_point_is_notified_when_the_settings_are_changed(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        await api.client.put(PATH, json=POLICY)
        assert await session.hear(SettingsChanged) == SettingsChanged(session.lease.keys.member)
        session.messages.clear()
        await api.client.post(f"{PATH}/accept")
        assert await session.hear(SettingsChanged) == SettingsChanged(session.lease.keys.member)


async def test_accepting_a_charge_point_keeps_its_other_settings_and_sends_no_message_to_the_charge_point(
    api: Api,
) -> None:
    await api.client.put(PATH, json=POLICY | {"strict": True})
    async with connected(api.store, TENANT, "CP-1") as session:
        await charge_points.boot(api.store, session.lease, b"{}")
        response = await api.client.post(f"{PATH}/accept")
        assert response.status_code == 200, response.text
        found = response.json()["charge_point"]
        assert (found["registration"], found["boot"]["status"]) == ("Accepted", "Pending")
        assert (found["strict"], found["heartbeat_interval_s"], found["awaiting_release"]) == (
            True,
            900,
            False,
        )
        assert response.json()["command"] is None
        assert session.claimed == []
        assert (await charge_points.boot(api.store, session.lease, b"{}")).status == "Accepted"
        assert (await api.client.post(f"{PATH}/accept")).status_code == 200


async def test_the_trigger_option_of_the_accept_route_makes_csms_request_a_boot_notification(
    api: Api,
) -> None:
    await api.client.put(PATH, json=POLICY)
    async with connected(api.store, TENANT, "CP-1") as session:
        await charge_points.boot(api.store, session.lease, b"{}")
        response = await api.client.post(f"{PATH}/accept?trigger=true")
        assert response.status_code == 200, response.text
        command = response.json()["command"]
        assert (command["action"], command["payload"]) == (
            "TriggerMessage",
            {"requestedMessage": "BootNotification"},
        )
        assert (command["status"], session.claimed) == ("answered", [command["id"]])


async def test_a_request_with_the_trigger_option_is_answered_409_if_the_charge_point_is_already_accepted(
    api: Api,
) -> None:
    await api.client.put(PATH, json={})
    async with connected(api.store, TENANT, "CP-1") as session:
        await charge_points.boot(api.store, session.lease, b"{}")
        await api.client.put(PATH, json=POLICY)
        is_problem(await api.client.post(f"{PATH}/accept?trigger=true"), 409, "already-accepted")
        assert (await api.client.get(PATH)).json()["registration"] == "Pending"
        assert session.claimed == []


async def test_a_request_with_the_trigger_option_accepts_an_offline_charge_point_but_is_answered_409(
    api: Api,
) -> None:
    is_problem(await api.client.post(f"{PATH}/accept"), 404, "not-found")
    is_problem(await api.client.post(f"{PATH}/accept?trigger=true"), 404, "not-found")
    await charge_points.put(api.store, TENANT, "CP-1", Settings(registration="Rejected"))
    with trio.fail_after(60):
        is_problem(await api.client.post(f"{PATH}/accept?trigger=true"), 409, "offline")
    assert (await api.client.get(PATH)).json()["registration"] == "Accepted"


async def test_a_trigger_message_to_a_charge_point_that_never_booted_has_a_warning(api: Api) -> None:
    await api.client.put(PATH, json=POLICY)
    async with connected(api.store, TENANT, "CP-1"):
        command = f"{PATH}/commands/GetConfiguration"
        (said,) = (await api.client.post(command)).json()["warnings"]
        assert "waits for its release" in said
        released = await api.client.post(f"{PATH}/accept?trigger=true")
        assert released.status_code == 200, released.text
        assert (await api.client.post(command)).json()["warnings"] == []
