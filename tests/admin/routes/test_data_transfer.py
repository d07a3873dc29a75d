"""DataTransfer over HTTP: the vendors of a tenant, and the transfers of a charge point."""

from typing import Any

from state import charge_points
from state.charge_points import Settings
from state.features import data_transfer
from state.features.data_transfer import VENDORS, Transfer, Vendor
from state.keys import ChargePointKeys
from tests.admin.api import TENANT, Api
from tests.admin.problem import is_problem

VENDORS_PATH = f"/v1/tenants/{TENANT}/data-transfer-vendors"
PATH = f"/v1/tenants/{TENANT}/charge-points/CP-1/data-transfers"
DEFAULTS: dict[str, Any] = {"message_ids": None, "status": "Accepted", "data": None}


async def test_the_settings_for_a_vendor_can_be_put_and_read_and_listed_and_deleted(api: Api) -> None:
    settings = {"message_ids": ["ping"], "status": "Rejected", "data": '{"not": "now"}'}
    created = await api.client.put(f"{VENDORS_PATH}/Org.Example", json=settings)
    assert (created.status_code, created.json()) == (201, {"vendor_id": "Org.Example"} | settings)
    assert (await api.client.get(f"{VENDORS_PATH}/ORG.EXAMPLE")).json() == created.json()
    changed = await api.client.put(f"{VENDORS_PATH}/org.example", json={})
    assert (changed.status_code, changed.json()) == (200, {"vendor_id": "org.example"} | DEFAULTS)
    await api.client.put(f"{VENDORS_PATH}/a%2Fb%20%7Bc%7D", json={})
    listed = (await api.client.get(VENDORS_PATH)).json()
    assert [vendor["vendor_id"] for vendor in listed["items"]] == ["a/b {c}", "org.example"]
    assert (await api.client.delete(f"{VENDORS_PATH}/Org.example")).status_code == 204
    for method in ("GET", "DELETE"):
        is_problem(await api.client.request(method, f"{VENDORS_PATH}/Org.example"), 404, "not-found")


BAD: list[tuple[Any, str]] = [
    ({"status": "UnknownVendorId"}, "/status"),
    ({"message_ids": ["x" * 51]}, "/message_ids/0"),
    ({"message_ids": [""]}, "/message_ids/0"),
    ({"data": 7}, "/data"),
    ({"more": 1}, "/more"),
]


async def test_invalid_settings_for_a_vendor_are_answered_422_with_a_json_pointer(api: Api) -> None:
    for body, pointer in BAD:
        document = is_problem(await api.client.put(f"{VENDORS_PATH}/v", json=body), 422, "invalid-request")
        assert document["errors"][0]["pointer"].startswith(pointer)
    assert (await api.client.get(VENDORS_PATH)).json()["items"] == []


async def test_a_request_to_store_one_vendor_too_many_is_answered_409(api: Api) -> None:
    for n in range(VENDORS):
        await data_transfer.put_vendor(api.store, TENANT, Vendor(vendor_id=f"v{n}"))
    is_problem(await api.client.put(f"{VENDORS_PATH}/one-more", json={}), 409, "too-many-vendors")


async def test_the_list_of_received_data_transfers_begins_with_the_newest(api: Api) -> None:
    is_problem(await api.client.get(PATH), 404, "not-found")
    await charge_points.put(api.store, TENANT, "CP-1", Settings())
    for n in range(3):
        transfer = Transfer(vendor_id="v", message_id=None, data=f"säß {n}", status="Accepted", received_ms=n)
        await data_transfer.keep(api.store, ChargePointKeys(TENANT, "CP-1"), transfer)
    first = (await api.client.get(f"{PATH}?limit=2")).json()
    assert [item["data"] for item in first["items"]] == ["säß 2", "säß 1"]
    second = (await api.client.get(f"{PATH}?limit=2&cursor={first['next']}")).json()
    assert ([item["data"] for item in second["items"]], second["next"]) == (["säß 0"], None)
    document = is_problem(await api.client.get(f"{PATH}?cursor=!"), 422, "invalid-request")
    assert document["errors"][0]["parameter"] == "cursor"


async def test_a_received_data_transfer_can_be_deleted(api: Api) -> None:
    await charge_points.put(api.store, TENANT, "CP-1", Settings())
    for n in range(3):
        transfer = Transfer(vendor_id="v", message_id=None, data=str(n), status="Accepted", received_ms=n)
        await data_transfer.keep(api.store, ChargePointKeys(TENANT, "CP-1"), transfer)
    newest, middle, oldest = (await api.client.get(PATH)).json()["items"]
    assert (await api.client.delete(f"{PATH}/{middle['id']}")).status_code == 204
    assert (await api.client.get(PATH)).json()["items"] == [newest, oldest]
    for gone in (middle["id"], "x", "1", "-", "1-", "9" * 40, "1-0 2-0"):
        is_problem(await api.client.delete(f"{PATH}/{gone}"), 404, "not-found")
