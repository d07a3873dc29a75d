"""An operator ends a transaction over HTTP: what is stored, and what is refused with which words."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
import trio

from state import transactions
from state.charge_points import connectors
from state.charge_points.connectors import Connector
from state.keys import ChargePointKeys
from state.store import Store
from state.transactions import meter_values
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import FakeSession, connected
from tests.admin.problem import is_problem
from tests.support.event_stream import event_stream
from tests.support.transactions import ANSWER, a_start, a_stop

PATH = f"/v1/tenants/{TENANT}/transactions"
EVENTS = f"/v1/tenants/{TENANT}/events"
MEMBERS = {"at", "at_source", "meter", "meter_source", "received_at", "api_key", "policy"}
CHARGING = Connector(connector_id=1, status="Charging", error_code="NoError", received_ms=1)


async def start(store: Store, session: FakeSession, **changes: Any) -> str:
    """Begin a transaction at the beginning of 2026 with the reading 100, and return its path."""
    outcome = await transactions.start(store, session.lease, a_start(**changes), ANSWER)
    return f"{PATH}/{session.lease.keys.id}.{outcome.id}"


async def measure(store: Store, session: FakeSession, path: str, minute: int, *values: Any) -> None:
    """Store the MeterValues of a minute after the start."""
    value = {"timestamp": f"2026-01-01T00:{minute:02}:00Z", "sampledValue": values}
    await meter_values.append(
        store,
        session.lease,
        connector_id=1,
        transaction_id=path.rpartition(".")[2],
        payload=msgspec.json.encode([value]),
        received_ms=1_800_000_000_000 + minute,
    )


def key_id(api: Api) -> str:
    return str(api.client.headers["Authorization"]).split("_")[1]


async def test_an_end_with_meter_and_time_is_stored_as_given_and_shown_with_its_api_key(api: Api) -> None:
    async with connected(api.store, TENANT, "CP.1") as session:
        path = await start(api.store, session)
        before = (await api.client.get(path)).json()
        assert (before["state"], before["ended"]) == ("open", None)
        response = await api.client.post(
            f"{path}/end", json={"meter": 150, "at": "2026-01-01T02:30:00+02:00"}
        )
        assert response.status_code == 200, response.text
        found = response.json()
        received_at = datetime.fromisoformat(found["ended"].pop("received_at"))
        assert abs(received_at.timestamp() * 1000 - api.store.server_time_ms()) < 60_000
        assert found["ended"] == {
            "at": "2026-01-01T00:30:00.000Z",
            "at_source": "given",
            "meter": 150,
            "meter_source": "given",
            "api_key": key_id(api),
            "policy": None,
        }
        assert (found["state"], found["energy_wh"]) == ("ended", 50)
        assert (found["stopped_at"], found["meter_stop"]) == (None, None)
        assert await api.read_all(PATH, open="true") == []
        shown = (await api.client.get(path)).json()
        assert await api.read_all(PATH, open="false") == await api.read_all(PATH) == [shown]
        del shown["ended"]["received_at"]
        assert shown == found
        # The stop of the charge point counts, and the end stays beside it.
        await transactions.stop(
            api.store, session.lease, a_stop(path.rpartition(".")[2], meter_stop=400), b""
        )
        stopped = (await api.client.get(path)).json()
        del stopped["ended"]["received_at"]
        assert (stopped["state"], stopped["energy_wh"], stopped["meter_stop"]) == ("stopped", 300, 400)
        assert stopped["ended"] == found["ended"]


async def test_the_meter_and_the_time_of_an_end_are_taken_from_the_last_energy_register(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        path = await start(api.store, session)
        await measure(api.store, session, path, 5, {"value": "0.12", "unit": "kWh"})
        await measure(api.store, session, path, 9, {"value": "240.4"}, {"value": "11", "measurand": "SoC"})
        await measure(api.store, session, path, 12, {"value": "7000", "measurand": "Power.Active.Import"})
        ended = (await api.client.post(f"{path}/end")).json()
        assert ended["energy_wh"] == 140
        assert (ended["ended"]["meter"], ended["ended"]["meter_source"]) == (240, "meter_values")
        assert ended["ended"]["at"] == "2026-01-01T00:09:00.000Z"
        assert ended["ended"]["at_source"] == "meter_values"


async def test_an_end_takes_no_reading_below_the_start_and_no_time_before_the_start(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        half_past = 1_767_227_400_000
        path = await start(
            api.store, session, timestamp="2026-01-01T00:30:00Z", started_ms=half_past, received_ms=half_past
        )
        await measure(api.store, session, path, 9, {"value": "99"})
        found = (await api.client.post(f"{path}/end", json={})).json()
        assert (found["ended"]["meter"], found["energy_wh"]) == (None, None)
        received = "2027-01-15T08:00:00.009Z"
        assert (found["ended"]["at"], found["ended"]["at_source"]) == (received, "meter_values")


async def test_each_of_meter_and_time_can_be_given_alone(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        path = await start(api.store, session)
        await measure(api.store, session, path, 9, {"value": "240"})
        ended = (await api.client.post(f"{path}/end", json={"meter": 300, "at": None})).json()["ended"]
        assert (ended["meter"], ended["meter_source"], ended["at_source"]) == (300, "given", "meter_values")
        path = await start(api.store, session, connector_id=2)
        await measure(api.store, session, path, 9, {"value": "240"})
        ended = (await api.client.post(f"{path}/end", json={"at": "2026-01-01T00:20:00Z"})).json()["ended"]
        assert (ended["meter"], ended["meter_source"], ended["at_source"]) == (240, "meter_values", "given")
        assert ended["at"] == "2026-01-01T00:20:00.000Z"


@pytest.mark.parametrize("values", [(), ({"value": "7000", "measurand": "Power.Active.Import"},)])
async def test_the_energy_of_an_end_without_an_energy_register_is_unknown_and_not_zero(
    api: Api, values: tuple[Any, ...]
) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        path = await start(api.store, session)
        if values:
            await measure(api.store, session, path, 9, *values)
        found = (await api.client.post(f"{path}/end", json={})).json()
        ended = found["ended"]
        assert set(ended) == MEMBERS
        assert (ended["meter"], ended["meter_source"], found["energy_wh"]) == (None, None, None)
        if values:
            assert (ended["at"], ended["at_source"]) == ("2026-01-01T00:09:00.000Z", "meter_values")
        else:
            assert (ended["at"], ended["at_source"]) == (found["started_at"], "start")


async def test_an_end_appears_in_the_event_stream(api: Api) -> None:
    with trio.fail_after(60):
        async with connected(api.store, TENANT, "CP-1") as session:
            path = await start(api.store, session)
            headers = {"Authorization": api.client.headers["Authorization"]}
            async with event_stream(api.port, EVENTS, headers) as listening:
                await api.client.post(f"{path}/end", json={"at": "2026-01-01T00:20:00Z"})
                kind, event = await listening.next()
            assert (kind, event["charge_point"]) == ("transaction.ended", "CP-1")
            assert event["data"] == {
                "transaction_id": path.rpartition("/")[2],
                "at": "2026-01-01T00:20:00.000Z",
                "at_source": "given",
                "meter": None,
                "meter_source": None,
                "api_key": key_id(api),
                "policy": None,
            }


async def test_a_second_end_is_refused_with_the_time_of_the_first_and_changes_nothing(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        path = await start(api.store, session)
        body = {"meter": 150, "at": "2026-01-01T00:20:00Z"}
        first = (await api.client.post(f"{path}/end", json=body)).json()
        for again in (body, {"meter": 160}, {"meter": 0, "at": "2025-01-01T00:00:00Z", "force": True}):
            problem = is_problem(await api.client.post(f"{path}/end", json=again), 409, "already-ended")
            assert "2026-01-01T00:20:00.000Z" in problem["detail"]
            assert first["ended"]["received_at"] in problem["detail"]
        assert (await api.client.get(path)).json() == first


async def test_the_end_of_a_stopped_transaction_is_refused_with_the_time_of_the_stop(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        path = await start(api.store, session)
        await transactions.stop(api.store, session.lease, a_stop(path.rpartition(".")[2]), b"")
        problem = is_problem(await api.client.post(f"{path}/end", json={"meter": 0}), 409, "already-stopped")
        assert "2026-01-01T01:00:00.000Z" in problem["detail"]


async def test_the_end_of_a_transaction_that_still_charges_needs_force(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        path = await start(api.store, session)
        await connectors.record_status(api.store, session.lease, CHARGING)
        for body in ({}, {"force": False, "meter": 200}):
            problem = is_problem(await api.client.post(f"{path}/end", json=body), 409, "still-charging")
            for word in ("online", "connector 1 reports Charging", "RemoteStopTransaction", "`force`"):
                assert word in problem["detail"]
        assert (await api.client.get(path)).json()["state"] == "open"
        response = await api.client.post(f"{path}/end", json={"force": True})
        assert (response.status_code, response.json()["state"]) == (200, "ended")


async def test_an_end_before_the_start_or_in_the_future_or_below_the_start_of_the_meter_is_refused(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        path = await start(api.store, session)

        async def refused(**body: Any) -> dict[str, str]:
            response = await api.client.post(f"{path}/end", json=body)
            problem = is_problem(response, 422, "invalid-request")
            return {one["pointer"]: one["detail"] for one in problem["errors"]}

        early = "2025-12-31T23:59:59.999Z"
        told = await refused(at=early)
        assert list(told) == ["/at"]
        assert early in told["/at"]
        assert "2026-01-01T00:00:00.000Z" in told["/at"]
        now = datetime.fromtimestamp(api.store.server_time_ms() / 1000).astimezone()
        told = await refused(at=(now + timedelta(minutes=10)).isoformat())
        assert "in the future" in told["/at"]
        told = await refused(meter=99)
        assert list(told) == ["/meter"]
        assert "99 Wh" in told["/meter"]
        assert "100 Wh" in told["/meter"]
        assert set(await refused(meter=99, at=early)) == {"/at", "/meter"}
        assert (await api.client.get(path)).json()["state"] == "open"
        soon = (now + timedelta(seconds=20)).isoformat()  # The clock of the operator may be a little ahead.
        assert (await api.client.post(f"{path}/end", json={"at": soon, "meter": 100})).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"meter": "150"},
        {"meter": 1.5},
        {"meter": -1},
        {"meter": 2**53},
        {"at": "2026-01-01T00:20:00"},
        {"at": 5},
        {"force": None},
        {"meter_stop": 5},
        [],
    ],
)
async def test_a_body_of_another_form_ends_nothing(api: Api, body: Any) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        path = await start(api.store, session, meter_start=None)
        is_problem(await api.client.post(f"{path}/end", json=body), 422, "invalid-request")
        assert (await api.client.get(path)).json()["state"] == "open"


@pytest.mark.parametrize("name", ["CP-1.1", "CP-1", "CP-1.x"])
async def test_the_end_of_an_unknown_transaction_is_answered_404(api: Api, name: str) -> None:
    is_problem(await api.client.post(f"{PATH}/{name}/end", json={}), 404, "not-found")
    assert await api.store.execute("KEYS", f"*{ChargePointKeys(TENANT, 'CP-1').member}*") == []


async def test_an_end_and_a_new_start_and_the_real_stop_twice_are_seen_over_the_api(api: Api) -> None:
    async with connected(api.store, TENANT, "CP.1") as session:
        path = await start(api.store, session)
        id_ = path.rpartition("/")[2]
        assert (await api.client.post(f"{path}/end", json={"meter": 150})).status_code == 200
        later = await start(api.store, session, timestamp="2026-01-01T05:00:00Z")
        ended = (await api.client.get(path)).json()
        # The end freed the connector, so nothing superseded the transaction.
        assert (ended["state"], ended["energy_wh"], ended["superseded_by"]) == ("ended", 50, None)
        sent = a_stop(id_.rpartition(".")[2], meter_stop=300)
        first = await transactions.stop(api.store, session.lease, sent, ANSWER)
        assert type(first) is transactions.Stopped
        stopped = (await api.client.get(path)).json()
        assert (stopped["state"], stopped["meter_stop"], stopped["energy_wh"]) == ("stopped", 300, 200)
        assert stopped["ended"] == ended["ended"]
        assert (await api.client.get(later)).json()["state"] == "open"
        pointers = await api.store.execute("HGETALL", session.lease.keys.open)
        assert [pointer.split()[0].decode() for pointer in pointers.values()] == [later.rpartition(".")[2]]
        again = await transactions.stop(api.store, session.lease, sent, b"{}")
        assert isinstance(again, transactions.StopReplayed)
        assert again.answer == first.answer == ANSWER
        assert (await api.client.get(path)).json() == stopped
        assert (await api.client.get(later)).json()["state"] == "open"
    kinds = [
        dict(zip(fields[::2], fields[1::2], strict=True))[b"kind"].decode()
        for _, fields in await api.store.execute("XRANGE", session.lease.keys.events, "-", "+")
    ]
    assert [kind for kind in kinds if kind.startswith("transaction.")] == [
        "transaction.started",
        "transaction.ended",
        "transaction.started",
        "transaction.stopped",
    ]
