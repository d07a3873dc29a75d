"""Every route returns a time in UTC with at least milliseconds, whatever form the charge point used.

These tests cover admin/http/times.py.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import trio

from state import transactions
from state.charge_points import connectors
from state.charge_points.connectors import Connector
from state.features import reservations, security_events
from state.features.reservations import Asked
from state.features.security_events import SecurityEvent
from state.transactions import meter_values
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import FakeSession, connected
from tests.support.event_stream import event_stream
from tests.support.transactions import ANSWER, a_start, a_stop

BASE = f"/v1/tenants/{TENANT}"
CP = f"{BASE}/charge-points/CP-1"
SENT_MS = 1_767_268_800_000
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,}Z")
TIME_LIKE = re.compile(r"\d{4}-\d\d-\d\d.*")


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for member in value.values():
            yield from strings(member)
    elif isinstance(value, list):
        for member in value:
            yield from strings(member)
    elif isinstance(value, str):
        yield value


async def store_all(api: Api, session: FakeSession, sent: str) -> int:
    """Store the time in every place where times are kept as text. Return the id of the transaction."""
    store, lease = api.store, session.lease
    keys = lease.keys
    status = Connector(
        connector_id=1, status="Charging", error_code="NoError", timestamp=sent, received_ms=SENT_MS
    )
    await connectors.record_status(store, lease, status)
    await security_events.keep(
        store, keys, SecurityEvent(type="Made up", timestamp=sent, tech_info=None, received_ms=SENT_MS)
    )
    asked = Asked(connector_id=1, id_tag="Tag", expiry_date=sent)
    await reservations.record_made(store, keys, "00.x", 7, asked, expires_ms=SENT_MS)
    value = msgspec.json.encode([{"timestamp": sent, "sampledValue": [{"value": "1"}]}])
    started = await transactions.start(
        store, lease, a_start(timestamp=sent, started_ms=SENT_MS, received_ms=SENT_MS), ANSWER
    )
    for transaction in (str(started.id), None):
        await meter_values.append(
            store, lease, connector_id=1, transaction_id=transaction, payload=value, received_ms=SENT_MS
        )
    for transaction_id in (started.id, -1):
        stop = a_stop(transaction_id, timestamp=sent, stopped_ms=SENT_MS, received_ms=SENT_MS, data=value)
        await transactions.stop(store, lease, stop, b"")
    return started.id


@pytest.mark.parametrize("sent", ["2026-01-01T12:00:00Z", "2026-01-01T13:00:00+01:00", "2026-01-01 12:00:00"])
async def test_a_time_has_one_spelling_in_every_route_and_event(api: Api, sent: str) -> None:
    headers = {"Authorization": api.client.headers["Authorization"]}
    with trio.fail_after(60):
        async with (
            event_stream(api.port, f"{BASE}/events", headers) as stream,
            connected(api.store, TENANT, "CP-1") as session,
        ):
            number = await store_all(api, session, sent)
            expiry = {"expiry_date": "2026-01-01T13:00:00+01:00"}
            await api.client.put(f"{CP}/local-list", json={"entries": [{"id_tag": "Tag", **expiry}]})
            await api.client.put(f"{BASE}/id-tags/Tag", json=expiry)
            events = [await stream.next()]
            while events[-1][0] != "transaction.orphan_stop":
                events.append(await stream.next())
            answers: dict[str, Any] = dict(events)
            for path in (
                *(CP, f"{CP}/security-events", f"{CP}/reservations", f"{CP}/orphaned-stops"),
                *(f"{CP}/stray-meter-values", f"{CP}/stray-meter-values?connector_id=1"),
                *(f"{CP}/local-list", f"{BASE}/id-tags", f"{BASE}/transactions"),
                f"{BASE}/transactions/CP-1.{number}/meter-values",
            ):
                response = await api.client.get(path)
                assert response.status_code == 200, response.text
                answers[path] = response.json()
    found = {
        place: {text for text in strings(answer) if TIME_LIKE.match(text)}
        for place, answer in answers.items()
    }
    wrong = {place: [text for text in texts if not TIME.fullmatch(text)] for place, texts in found.items()}
    assert not any(wrong.values()), wrong
    with_it = {place for place, texts in found.items() if "2026-01-01T12:00:00.000Z" in texts}
    assert answers.keys() - with_it == {"charge_point.registered", "charge_point.connected"} | (
        answers.keys() & {"security_event", "meter_values"}
    )


async def test_the_times_in_the_data_of_events_are_text(api: Api) -> None:
    headers = {"Authorization": api.client.headers["Authorization"]}
    with trio.fail_after(60):
        async with (
            event_stream(api.port, f"{BASE}/events", headers) as stream,
            connected(api.store, TENANT, "CP-1") as session,
        ):
            await store_all(api, session, "2026-01-01T12:00:00.123456Z")
            events = dict([await stream.next() for _ in range(3)])
        connection = (await api.client.get(CP)).json()["connection"]
    assert events["charge_point.connected"]["data"]["since"] == connection["since"]
    status = events["connector.status"]["data"]
    assert (status["timestamp"], status["received_at"]) == (
        "2026-01-01T12:00:00.123456Z",
        "2026-01-01T12:00:00.000Z",
    )
    assert not any(name.endswith("_ms") for event in events.values() for name in event["data"])


async def test_a_time_that_cannot_be_read_is_replaced_by_the_time_of_receipt(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        number = await store_all(api, session, "noon")
        charge_point = (await api.client.get(CP)).json()
        values = (await api.client.get(f"{BASE}/transactions/CP-1.{number}/meter-values")).json()
        events = (await api.client.get(f"{CP}/security-events")).json()
        reservation = (await api.client.get(f"{CP}/reservations/7")).json()
    assert charge_point["connectors"][0]["timestamp"] == "2026-01-01T12:00:00.000Z"
    assert {one["timestamp"] for one in values["items"]} == {"2026-01-01T12:00:00.000Z"}
    assert events["items"][0]["timestamp"] == "2026-01-01T12:00:00.000Z"
    assert reservation["expiry_date"] is None
