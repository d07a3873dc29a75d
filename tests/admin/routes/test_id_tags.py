import pytest

from tests.admin.api import TENANT, Api
from tests.admin.problem import is_problem

BASE = f"/v1/tenants/{TENANT}"


async def test_an_id_tag_can_be_created_and_replaced_and_read_and_listed_and_deleted(api: Api) -> None:
    settings = {
        "status": "Blocked",
        "expiry_date": "2030-01-01T00:00:00Z",
        "parent_id_tag": "FLEET-7",
        "max_active_transactions": 2,
    }
    created = await api.client.put(f"{BASE}/id-tags/Ab%2F1", json=settings)
    assert created.status_code == 201
    assert created.json() == {"tag": "Ab/1", **settings, "expiry_date": "2030-01-01T00:00:00.000Z"}
    assert (await api.client.get(f"{BASE}/id-tags/aB%2F1")).json() == created.json()
    replaced = await api.client.put(
        f"{BASE}/id-tags/AB%2F1", json={"expiry_date": "2030-01-01T02:00:00+02:00"}
    )
    assert replaced.status_code == 200
    assert replaced.json() == {
        "tag": "AB/1",
        "status": "Accepted",
        "expiry_date": "2030-01-01T00:00:00.000Z",
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
async def test_an_invalid_id_tag_is_answered_422_with_a_json_pointer(
    api: Api, body: object, pointer: str
) -> None:
    document = is_problem(await api.client.put(f"{BASE}/id-tags/x", json=body), 422, "invalid-request")
    assert [fault["pointer"] for fault in document["errors"]] == [pointer]
    is_problem(await api.client.put(f"{BASE}/id-tags/{'x' * 21}", json={}), 422, "invalid-request")
