from state import charge_points
from state.charge_points import Settings, refusals
from state.charge_points.refusals import Refusals
from state.keys import ChargePointKeys
from tests.admin.api import TENANT, Api
from tests.admin.problem import is_problem

PATH = f"/v1/tenants/{TENANT}/charge-points/CP-1/refusals"


async def record(api: Api, reason: str, last_ms: int, *, known: bool = True) -> None:
    keys = ChargePointKeys(TENANT, "CP-1") if known else None
    await refusals.record(api.store, [Refusals(keys, reason, 2, last_ms, "192.0.2.7", "CN=x")])


async def test_the_refusals_of_a_charge_point_are_listed_by_reason_and_can_be_deleted(api: Api) -> None:
    await charge_points.put(api.store, TENANT, "CP-1", Settings())
    assert (await api.client.get(PATH)).json() == {"items": [], "next": None}
    await record(api, "wrong_password", 1_000)
    await record(api, "no_password", 2_000)
    await record(api, "wrong_password", 3_000)
    found = (await api.client.get(PATH)).json()["items"]
    assert found == [
        {
            "reason": "wrong_password",
            "times": 4,
            "last_at": "1970-01-01T00:00:03.000Z",
            "address": "192.0.2.7",
            "detail": "CN=x",
        },
        found[1],
    ]
    assert found[1]["reason"] == "no_password"
    assert (await api.client.delete(PATH)).status_code == 204
    assert (await api.client.get(PATH)).json() == {"items": [], "next": None}


async def test_the_refusals_of_an_unknown_charge_point_are_not_found(api: Api) -> None:
    is_problem(await api.client.get(PATH), 404, "not-found")
    is_problem(await api.client.delete(PATH), 404, "not-found")


async def test_the_refusals_of_a_charge_point_are_only_for_keys_of_its_tenant(api: Api) -> None:
    await charge_points.put(api.store, TENANT, "CP-1", Settings())
    await record(api, "wrong_password", 1_000)
    answer = await api.client.get(PATH, headers=await api.as_key(["other"]))
    assert answer.status_code in {403, 404}
    assert "wrong_password" not in answer.text
    allowed = await api.client.get(PATH, headers=await api.as_key([TENANT]))
    assert len(allowed.json()["items"]) == 1


async def test_refusals_of_strangers_are_only_for_keys_of_all_tenants(api: Api) -> None:
    """They may concern any tenant, and they show addresses."""
    for last_ms in (1_000, 2_000, 3_000):
        await record(api, "unknown_tenant", last_ms, known=False)
    found = (await api.client.get("/v1/refusals?limit=2")).json()
    assert [one["last_at"][17:19] for one in found["items"]] == ["03", "02"]
    for tenants in ([TENANT], ["other"], []):
        answer = await api.client.get("/v1/refusals", headers=await api.as_key(tenants))
        is_problem(answer, 404, "not-found")
    anonymous = await api.client.get("/v1/refusals", headers={"Authorization": ""})
    assert anonymous.status_code == 401
    for limit in ("0", "1001", "x"):
        assert (await api.client.get(f"/v1/refusals?limit={limit}")).status_code in {400, 422}
