"""Tenants, tokens, charge points and id tags over HTTP."""

import pytest

from state import charge_points
from state.charge_points import connectors
from state.charge_points.connectors import Connector
from state.nodes import inbox
from state.tenants import tokens
from tests.admin.api import PEPPER, TENANT, Api
from tests.admin.fake_session import connected
from tests.admin.problem import is_problem

BASE = f"/v1/tenants/{TENANT}"


async def test_a_tenant_is_created_replaced_read_listed_and_deleted(api: Api) -> None:
    created = await api.client.put("/v1/tenants/b%C3%A9", json={"name": "B", "auto_register": True})
    assert created.status_code == 201
    assert created.json()["id"] == "bé"
    replaced = await api.client.put("/v1/tenants/b%C3%A9", json={"name": "C"})
    assert replaced.status_code == 200
    read = (await api.client.get("/v1/tenants/b%C3%A9")).json()
    assert read == replaced.json()
    assert (read["name"], read["auto_register"]) == ("C", False)
    assert read["created_at"] == created.json()["created_at"]
    assert [tenant["id"] for tenant in await api.read_all("/v1/tenants", limit=1)] == [TENANT, "bé"]
    assert (await api.client.delete("/v1/tenants/b%C3%A9")).status_code == 204
    is_problem(await api.client.get("/v1/tenants/b%C3%A9"), 404, "not-found")
    is_problem(await api.client.delete("/v1/tenants/b%C3%A9"), 404, "not-found")


@pytest.mark.parametrize("name", ["a%2Fb", "a:b", "%2E%2E"])
async def test_names_that_could_not_connect_are_not_registered(api: Api, name: str) -> None:
    is_problem(await api.client.put(f"{BASE}/charge-points/{name}", json={}), 422, "invalid-request")
    is_problem(await api.client.put(f"/v1/tenants/{name}", json={}), 422, "invalid-request")


async def test_a_token_shows_its_secret_once_and_works_until_revoked(api: Api) -> None:
    made = await api.client.post(f"{BASE}/tokens", json={"label": "north"})
    assert made.status_code == 201
    token = made.json()
    assert len(token["secret"]) >= 32
    listed = await api.read_all(f"{BASE}/tokens")
    assert [(one["id"], one["label"]) for one in listed] == [(token["id"], "north")]
    assert token["secret"] not in str(listed)
    verified = await tokens.verify(api.store, PEPPER, TENANT, token["secret"])
    assert verified is not None
    assert verified.token_id == token["id"]
    async with connected(api.store, TENANT, "CP-1", token_id=token["id"]) as session:
        assert (await api.client.delete(f"{BASE}/tokens/{token['id']}")).status_code == 204
        assert await session.hear(inbox.TokenRevoked) == inbox.TokenRevoked(TENANT, token["id"])
    assert await tokens.verify(api.store, PEPPER, TENANT, token["secret"]) is None
    is_problem(await api.client.delete(f"{BASE}/tokens/{token['id']}"), 404, "not-found")
    assert await api.read_all(f"{BASE}/tokens") == []


async def test_a_charge_point_is_registered_before_it_connects(api: Api) -> None:
    settings = {"description": "Bay 7", "strict": True, "origin_allowed": True}
    created = await api.client.put(f"{BASE}/charge-points/CP-1", json=settings)
    assert created.status_code == 201
    found = created.json()
    assert {name: found[name] for name in settings} == settings
    assert found["auto_registered"] is False
    assert found["boot"] is None
    assert found["connectors"] == []
    assert found["connection"]["online"] is False
    replaced = await api.client.put(f"{BASE}/charge-points/CP-1", json={})
    assert (replaced.status_code, replaced.json()["description"]) == (200, "")
    assert replaced.json()["registered_at"] == found["registered_at"]


async def test_a_connected_charge_point_shows_how(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        boot = b'{"chargePointVendor":"Acme","chargePointModel":"Bolt 22"}'
        await charge_points.boot(api.store, session.lease, boot)
        connector = Connector(
            connector_id=1,
            status="Charging",
            error_code="NoError",
            info=None,
            vendor_id=None,
            vendor_error_code=None,
            timestamp="2026-01-01T00:00:00Z",
            received_ms=api.store.server_time_ms(),
        )
        await connectors.record_status(api.store, session.lease, connector)
        found = (await api.client.get(f"{BASE}/charge-points/CP-1")).json()
        assert found["auto_registered"] is True
        assert found["boot"]["status"] == "Accepted"
        assert found["boot"]["data"] == {"chargePointVendor": "Acme", "chargePointModel": "Bolt 22"}
        assert found["boot"]["at"].endswith("Z")
        (shown,) = found["connectors"]
        assert (shown["connector_id"], shown["status"], shown["error_code"]) == (1, "Charging", "NoError")
        assert shown["timestamp"] == "2026-01-01T00:00:00Z"
        connection = found["connection"]
        assert connection["online"] is True
        assert connection["node"] == session.incarnation
        assert (connection["address"], connection["tls"]) == ("192.0.2.7:49152", "TLSv1.3")
        assert connection["since"].endswith("Z")


async def test_charge_points_are_listed_by_id_and_filtered(api: Api) -> None:
    for name in ("A-1", "A-2", "B-1"):
        await api.client.put(f"{BASE}/charge-points/{name}", json={})
    async with connected(api.store, TENANT, "A-3"):
        path = f"{BASE}/charge-points"
        assert [one["id"] for one in await api.read_all(path, limit=1)] == ["A-1", "A-2", "A-3", "B-1"]
        assert [one["id"] for one in await api.read_all(path, online="true")] == ["A-3"]
        assert [one["id"] for one in await api.read_all(path, online="false")] == ["A-1", "A-2", "B-1"]
        assert [one["id"] for one in await api.read_all(path, prefix="A", limit=2)] == ["A-1", "A-2", "A-3"]
        online = await api.read_all(path, online="true")
        assert online[0]["connection"]["address"] == "192.0.2.7:49152"


async def test_disconnecting_and_deleting_tell_the_session(api: Api) -> None:
    async with connected(api.store, TENANT, "CP/ä") as session:
        response = await api.client.post(f"{BASE}/charge-points/CP%2F%C3%A4/disconnect")
        assert response.status_code == 202, response.text
        assert response.json() == {"charge_point": "CP/ä", "node": session.incarnation}
        member = session.lease.keys.member
        wish = inbox.Disconnect(member, inbox.DisconnectReason.OPERATOR)
        assert await session.hear(inbox.Disconnect) == wish
        session.messages.clear()
        assert (await api.client.delete(f"{BASE}/charge-points/CP%2F%C3%A4")).status_code == 204
        deleted = inbox.Disconnect(member, inbox.DisconnectReason.DELETED)
        assert await session.hear(inbox.Disconnect) == deleted
    is_problem(await api.client.get(f"{BASE}/charge-points/CP%2F%C3%A4"), 404, "not-found")
    is_problem(await api.client.delete(f"{BASE}/charge-points/CP%2F%C3%A4"), 404, "not-found")


async def test_disconnecting_what_is_not_connected(api: Api) -> None:
    is_problem(await api.client.post(f"{BASE}/charge-points/CP-1/disconnect"), 404, "not-found")
    await api.client.put(f"{BASE}/charge-points/CP-1", json={})
    is_problem(await api.client.post(f"{BASE}/charge-points/CP-1/disconnect"), 409, "offline")


async def test_an_id_tag_is_created_replaced_read_listed_and_deleted(api: Api) -> None:
    settings = {
        "status": "Blocked",
        "expiry_date": "2030-01-01T00:00:00Z",
        "parent_id_tag": "FLEET-7",
        "max_active_transactions": 2,
    }
    created = await api.client.put(f"{BASE}/id-tags/Ab%2F1", json=settings)
    assert created.status_code == 201
    assert created.json() == {"tag": "Ab/1", **settings}
    assert (await api.client.get(f"{BASE}/id-tags/aB%2F1")).json() == created.json()
    replaced = await api.client.put(
        f"{BASE}/id-tags/AB%2F1", json={"expiry_date": "2030-01-01T02:00:00+02:00"}
    )
    assert replaced.status_code == 200
    assert replaced.json() == {
        "tag": "AB/1",
        "status": "Accepted",
        "expiry_date": "2030-01-01T00:00:00Z",
        "parent_id_tag": None,
        "max_active_transactions": None,
    }
    await api.client.put(f"{BASE}/id-tags/zz", json={})
    assert [one["tag"] for one in await api.read_all(f"{BASE}/id-tags", limit=1)] == ["AB/1", "zz"]
    assert (await api.client.delete(f"{BASE}/id-tags/ab%2F1")).status_code == 204
    is_problem(await api.client.get(f"{BASE}/id-tags/ab%2F1"), 404, "not-found")
    is_problem(await api.client.delete(f"{BASE}/id-tags/ab%2F1"), 404, "not-found")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"status": "accepted"}, "/status"),
        ({"expiry_date": "2030-01-01"}, "/expiry_date"),
        ({"expiry_date": "2030-01-01T00:00:00"}, "/expiry_date"),
        ({"parent_id_tag": "x" * 21}, "/parent_id_tag"),
        ({"max_active_transactions": -1}, "/max_active_transactions"),
    ],
)
async def test_id_tags_that_would_not_do(api: Api, body: object, pointer: str) -> None:
    document = is_problem(await api.client.put(f"{BASE}/id-tags/x", json=body), 422, "invalid-request")
    assert [fault["pointer"] for fault in document["errors"]] == [pointer]
    is_problem(await api.client.put(f"{BASE}/id-tags/{'x' * 21}", json={}), 422, "invalid-request")
