"""Charge points over HTTP: how they are registered, listed, disconnected and deleted."""

import msgspec
import pytest

from state import charge_points, keys, transactions
from state.charge_points import connectors
from state.charge_points.connectors import Connector
from state.nodes import inbox, nodes
from state.tenants import api_keys
from tests.admin.api import PEPPER, TENANT, Api
from tests.admin.fake_session import connected
from tests.admin.problem import is_problem
from tests.support.leases import events
from tests.support.transactions import ANSWER, a_start

BASE = f"/v1/tenants/{TENANT}"


@pytest.mark.parametrize("name", ["a%2Fb", "a:b", "%2E%2E"])
async def test_a_tenant_id_or_charge_point_id_with_which_no_charge_point_could_connect_is_answered_422(
    api: Api, name: str
) -> None:
    is_problem(await api.client.put(f"{BASE}/charge-points/{name}", json={}), 422, "invalid-request")
    is_problem(await api.client.put(f"/v1/tenants/{name}", json={}), 422, "invalid-request")


async def test_an_operator_can_register_a_charge_point_before_it_connects(api: Api) -> None:
    settings = {"description": "Bay 7", "strict": True}
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


async def test_a_connected_charge_point_is_shown_with_its_boot_data_and_its_connectors_and_its_connection(
    api: Api,
) -> None:
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
        assert shown["timestamp"] == "2026-01-01T00:00:00.000Z"
        connection = found["connection"]
        assert connection["online"] is True
        assert connection["node"] == session.incarnation
        assert (connection["address"], connection["tls"]) == ("192.0.2.7", "TLSv1.3")
        assert connection["since"].endswith("Z")
        lease = await api.store.execute("HGET", session.lease.keys.lease, "connection")
        assert connection["token_id"] == msgspec.json.decode(lease)["token_id"] != ""


async def test_charge_points_are_listed_in_the_order_of_their_ids_and_can_be_filtered(api: Api) -> None:
    for name in ("A-1", "A-2", "B-1"):
        await api.client.put(f"{BASE}/charge-points/{name}", json={})
    async with connected(api.store, TENANT, "A-3"):
        path = f"{BASE}/charge-points"
        assert [one["id"] for one in await api.read_all(path, limit=1)] == ["A-1", "A-2", "A-3", "B-1"]
        assert [one["id"] for one in await api.read_all(path, online="true")] == ["A-3"]
        assert [one["id"] for one in await api.read_all(path, online="false")] == ["A-1", "A-2", "B-1"]
        assert [one["id"] for one in await api.read_all(path, prefix="A", limit=2)] == ["A-1", "A-2", "A-3"]
        online = await api.read_all(path, online="true")
        assert online[0]["connection"]["address"] == "192.0.2.7"


async def test_a_session_is_notified_when_an_operator_disconnects_or_deletes_the_charge_point(
    api: Api,
) -> None:
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


async def test_the_event_of_a_deletion_names_the_api_key(api: Api) -> None:
    await api.client.put(f"{BASE}/charge-points/CP-1", json={})
    made = await api_keys.create(api.store, PEPPER, "operator", None)
    headers = {"Authorization": f"Bearer {made.secret}"}
    assert (await api.client.delete(f"{BASE}/charge-points/CP-1", headers=headers)).status_code == 204
    deleted = (await events(api.store, keys.ChargePointKeys(TENANT, "CP-1")))[-1]
    assert deleted == ("charge_point.deleted", {"purged": False, "api_key": made.id})


async def test_a_disconnect_request_is_answered_404_for_an_unknown_charge_point_and_409_for_an_offline_one(
    api: Api,
) -> None:
    is_problem(await api.client.post(f"{BASE}/charge-points/CP-1/disconnect"), 404, "not-found")
    await api.client.put(f"{BASE}/charge-points/CP-1", json={})
    is_problem(await api.client.post(f"{BASE}/charge-points/CP-1/disconnect"), 409, "offline")


async def test_a_disconnect_request_is_not_answered_offline_while_the_gateway_may_only_be_late(
    api: Api,
) -> None:
    path = f"{BASE}/charge-points/CP-1/disconnect"
    async with connected(api.store, TENANT, "CP-1", deaf=True) as session:
        await api.store.execute("DEL", keys.inbox(session.incarnation))
        answer = await api.client.post(path)
        is_problem(answer, 503, "gateway-away")
        assert answer.headers["retry-after"]
        await nodes.leave(api.store, session.incarnation)
        is_problem(await api.client.post(path), 409, "offline")


async def test_the_deletion_of_a_charge_point_with_an_open_transaction_is_refused_until_it_is_ended(
    api: Api,
) -> None:
    path = f"{BASE}/charge-points/CP-1"
    async with connected(api.store, TENANT, "CP-1") as session:
        ids = []
        for connector in (1, 2):
            outcome = await transactions.start(
                api.store, session.lease, a_start(connector_id=connector), ANSWER
            )
            ids.append(f"CP-1.{outcome.id}")
        for left in (2, 1):
            problem = is_problem(await api.client.delete(path), 409, "open-transactions")
            first = problem["transaction"]
            assert (first, problem["open_transactions"]) == (ids[2 - left], left)
            assert first in problem["detail"]
            assert f"/transactions/{first}/end" in problem["detail"]
            assert (await api.client.get(path)).status_code == 200
            assert session.messages == []
            ended = await api.client.post(f"{BASE}/transactions/{first}/end", json={})
            assert ended.status_code == 200
        assert (await api.client.delete(path)).status_code == 204
    is_problem(await api.client.get(path), 404, "not-found")
    listed = await api.client.get(f"{BASE}/transactions", params={"charge_point": "CP-1"})
    assert {one["id"] for one in listed.json()["items"]} == set(ids)
    is_problem(await api.client.delete(path), 404, "not-found")
    is_problem(await api.client.delete(path, params={"purge": "yes"}), 422, "invalid-request")
    assert (await api.client.delete(path, params={"purge": "true"})).status_code == 204
    is_problem(await api.client.get(f"{BASE}/transactions/{ids[0]}"), 404, "not-found")
    is_problem(await api.client.delete(path, params={"purge": "true"}), 404, "not-found")
