"""Security events over HTTP: newest first, by pages."""

from state import charge_points
from state.charge_points import Settings
from state.features import security_events
from state.features.security_events import SecurityEvent
from state.keys import ChargePointKeys
from tests.admin.api import TENANT, Api
from tests.admin.problem import is_problem

PATH = f"/v1/tenants/{TENANT}/charge-points/CP-1/security-events"


async def keep(api: Api, type_: str, at: int) -> None:
    event = SecurityEvent(type=type_, timestamp="2026-01-01T01:00:00+01:00", tech_info=None, received_ms=at)
    await security_events.keep(api.store, ChargePointKeys(TENANT, "CP-1"), event)


async def test_security_events_are_listed_newest_first_in_pages(api: Api) -> None:
    await charge_points.put(api.store, TENANT, "CP-1", Settings())
    for at, type_ in enumerate(("FirmwareUpdated", "Made up", "MemoryExhaustion"), 1):
        await keep(api, type_, at)
    first = (await api.client.get(f"{PATH}?limit=2")).json()
    assert [(event["type"], event["critical"]) for event in first["items"]] == [
        ("MemoryExhaustion", True),
        ("Made up", False),
    ]
    assert first["items"][0]["timestamp"] == "2026-01-01T00:00:00.000Z"
    assert first["items"][0]["received_at"] == "1970-01-01T00:00:00.003Z"
    assert first["evicted"] == 0
    second = (await api.client.get(f"{PATH}?limit=2&cursor={first['next']}")).json()
    assert ([event["type"] for event in second["items"]], second["next"]) == (["FirmwareUpdated"], None)
    critical = (await api.client.get(f"{PATH}?critical=true")).json()
    assert [event["type"] for event in critical["items"]] == ["MemoryExhaustion", "FirmwareUpdated"]


async def test_a_request_with_an_invalid_query_or_an_unknown_charge_point_is_refused(api: Api) -> None:
    is_problem(await api.client.get(PATH), 404, "not-found")
    await charge_points.put(api.store, TENANT, "CP-1", Settings())
    assert (await api.client.get(PATH)).json() == {"items": [], "next": None, "evicted": 0}
    document = is_problem(await api.client.get(f"{PATH}?cursor=!"), 422, "invalid-request")
    assert document["errors"][0]["parameter"] == "cursor"


async def test_a_security_event_can_be_deleted_and_is_listed_again_if_the_charge_point_repeats_it(
    api: Api,
) -> None:
    await charge_points.put(api.store, TENANT, "CP-1", Settings())
    for at, type_ in enumerate(("FirmwareUpdated", "Made up"), 1):
        await keep(api, type_, at)
    newest, oldest = (await api.client.get(PATH)).json()["items"]
    assert (await api.client.delete(f"{PATH}/{newest['id']}")).status_code == 204
    is_problem(await api.client.delete(f"{PATH}/{newest['id']}"), 404, "not-found")
    assert (await api.client.get(PATH)).json() == {"items": [oldest], "next": None, "evicted": 0}
    await keep(api, "Made up", 2)
    assert (await api.client.get(PATH)).json()["items"] == [newest, oldest]


async def test_the_unreadable_fields_of_a_security_event_are_shown_as_sent(api: Api) -> None:
    await charge_points.put(api.store, TENANT, "CP-1", Settings())
    for mark in ("a", "b", "a"):
        event = SecurityEvent(
            type="", timestamp="", tech_info=None, received_ms=7, as_sent=b'{"type":[1]}', mark=mark
        )
        await security_events.keep(api.store, ChargePointKeys(TENANT, "CP-1"), event)
    await keep(api, "Made up", 3)
    one, other, good = (await api.client.get(PATH)).json()["items"]
    assert one["id"] != other["id"]
    for found in (one, other):
        assert (found["type"], found["as_sent"]) == ("", {"type": [1]})
        assert found["timestamp"] == found["received_at"] == "1970-01-01T00:00:00.007Z"
    assert good["as_sent"] is None
    assert (await api.client.delete(f"{PATH}/{one['id']}")).status_code == 204
    assert (await api.client.get(PATH)).json()["items"] == [other, good]
