"""The faults of a charge point over HTTP."""

from gateway.ocpp16.faults.table import FAULTS
from state.charge_points import faults
from state.charge_points.faults import FaultBatch, Tally
from state.keys import ChargePointKeys
from tests.admin.api import TENANT, Api

PATH = f"/v1/tenants/{TENANT}/charge-points/CP%7C1"


async def test_faults_of_a_charge_point_are_listed_with_their_meaning_and_can_be_deleted(api: Api) -> None:
    await api.client.put(PATH, json={})
    assert (await api.client.get(f"{PATH}/faults")).json() == {"items": [], "next": None}
    tallies = {"number_for_text": Tally(3, 1_767_225_600_000), "of_tomorrow": Tally(1, 1_767_225_600_001)}
    await faults.count(api.store, [FaultBatch(ChargePointKeys(TENANT, "CP|1"), "a", tallies)])
    found = await api.client.get(f"{PATH}/faults")
    unknown, known = found.json()["items"]
    assert known == {
        "name": "number_for_text",
        "count": 3,
        "last_at": "2026-01-01T00:00:00.000Z",
        "kind": "payload",
        "meaning": FAULTS["number_for_text"].meaning,
    }
    assert (unknown["name"], unknown["meaning"]) == (
        "of_tomorrow",
        "A gateway of another version counted this fault; this version does not know its meaning.",
    )
    assert (await api.client.delete(f"{PATH}/faults")).status_code == 204
    assert (await api.client.get(f"{PATH}/faults")).json()["items"] == []


async def test_a_request_for_the_faults_of_an_unknown_charge_point_is_answered_404(api: Api) -> None:
    for method in ("GET", "DELETE"):
        assert (await api.client.request(method, f"{PATH}/faults")).status_code == 404
