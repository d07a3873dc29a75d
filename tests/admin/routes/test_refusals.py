"""Operators see which handshakes of their tenants csms refused, why, and what would be right."""

import pytest

from state import charge_points
from state.charge_points import Settings, refusals
from state.charge_points.refusals import Gathered
from state.keys import ChargePointKeys
from state.tenants import tenants
from state.tenants.refusal_records import Refusals
from tests.admin.api import TENANT, Api
from tests.admin.problem import is_problem

PATH = f"/v1/tenants/{TENANT}/charge-points/CP-1/refusals"
OF_TENANT = f"/v1/tenants/{TENANT}/refusals"
OF_NOBODY = "/v1/refusals"


@pytest.fixture
async def acme(api: Api) -> Api:
    await tenants.put(api.store, TENANT, name="Acme", auto_register=False)
    await charge_points.put(api.store, TENANT, "CP-1", Settings())
    return api


async def record(
    api: Api,
    reason: str,
    last_ms: int,
    *,
    tenant: str | None = TENANT,
    charge_point: str | None = "CP-1",
    address: str = "192.0.2.7",
) -> None:
    one = Refusals(tenant, charge_point, address, reason, 2, last_ms - 500, last_ms, "CN=x")
    keys = None if tenant is None or charge_point is None else ChargePointKeys(tenant, charge_point)
    await refusals.record(api.store, [Gathered(one, keys)])


async def times_of(api: Api, path: str) -> list[str]:
    return [one["last_at"][17:19] for one in (await api.client.get(path)).json()["items"]]


async def test_the_refusals_of_a_charge_point_are_listed_by_reason_and_can_be_deleted(acme: Api) -> None:
    assert (await acme.client.get(PATH)).json() == {"items": [], "next": None}
    await record(acme, "wrong_password", 1_000)
    await record(acme, "no_password", 2_000)
    await record(acme, "wrong_password", 3_000)
    found = (await acme.client.get(PATH)).json()["items"]
    assert found == [
        {
            "reason": "wrong_password",
            "times": 4,
            "last_at": "1970-01-01T00:00:03.000Z",
            "address": "192.0.2.7",
            "detail": "CN=x",
            "meaning": "The password is not that of the charge point.",
            "remedy": "Set the same password in csms and in the charge point.",
        },
        found[1],
    ]
    assert found[1]["reason"] == "no_password"
    assert (await acme.client.delete(PATH)).status_code == 204
    for path in (PATH, OF_TENANT):
        assert (await acme.client.get(path)).json() == {"items": [], "next": None}


async def test_the_refusals_of_an_unknown_charge_point_are_not_found(api: Api) -> None:
    is_problem(await api.client.get(PATH), 404, "not-found")
    is_problem(await api.client.delete(PATH), 404, "not-found")
    is_problem(await api.client.get("/v1/tenants/nobody/refusals"), 404, "not-found")


async def test_a_record_says_who_was_refused_why_and_what_would_be_right(acme: Api) -> None:
    await record(acme, "wrong_token", 3_000)
    assert (await acme.client.get(OF_TENANT)).json() == {
        "items": [
            {
                "tenant": TENANT,
                "charge_point": "CP-1",
                "address": "192.0.2.7",
                "reason": "wrong_token",
                "times": 2,
                "first_at": "1970-01-01T00:00:02.500Z",
                "last_at": "1970-01-01T00:00:03.000Z",
                "detail": "CN=x",
                "meaning": "The token in the path is not one of the tenant's.",
                "remedy": "Put a valid token of the tenant into the address of the charge point. If it has "
                "been revoked, create another one.",
            }
        ],
        "next": None,
    }


async def test_a_reason_of_another_release_has_words_too(acme: Api) -> None:
    await record(acme, "of_tomorrow", 3_000)
    [found] = (await acme.client.get(OF_TENANT)).json()["items"]
    assert (found["reason"], bool(found["meaning"]), bool(found["remedy"])) == ("of_tomorrow", True, True)


@pytest.mark.parametrize("path", [OF_TENANT, OF_NOBODY])
async def test_the_records_have_pages_and_filters(acme: Api, path: str) -> None:
    tenant = TENANT if path == OF_TENANT else "nobody"
    await record(acme, "wrong_token", 1_000, tenant=tenant, charge_point="CP-2")
    await record(acme, "no_subprotocol", 2_000, tenant=tenant, charge_point="CP-2")
    await record(acme, "wrong_token", 3_000, tenant=tenant, address="2001:db8::1")
    assert await times_of(acme, path) == ["03", "02", "01"]
    assert await times_of(acme, f"{path}?charge_point=CP-2") == ["02", "01"]
    assert await times_of(acme, f"{path}?reason=wrong_token") == ["03", "01"]
    assert await times_of(acme, f"{path}?address=2001:db8::1") == ["03"]
    assert await times_of(acme, f"{path}?since=1970-01-01T00:00:02Z") == ["03", "02"]
    first = (await acme.client.get(f"{path}?limit=2")).json()
    assert await times_of(acme, f"{path}?limit=2&cursor={first['next']}") == ["01"]
    for wrong in ("limit=0", "limit=1001", "limit=x", "since=yesterday", "cursor=*", "unknown=1"):
        assert (await acme.client.get(f"{path}?{wrong}")).status_code in {400, 422}, wrong


async def test_the_refusals_of_a_tenant_are_only_for_keys_of_this_tenant(acme: Api) -> None:
    await record(acme, "wrong_password", 1_000)
    for path in (PATH, OF_TENANT):
        answer = await acme.client.get(path, headers=await acme.as_key(["other"]))
        is_problem(answer, 404, "not-found")
        assert "wrong_password" not in answer.text
        allowed = await acme.client.get(path, headers=await acme.as_key([TENANT]))
        assert len(allowed.json()["items"]) == 1


async def test_refusals_that_name_no_known_tenant_are_only_for_keys_of_all_tenants(acme: Api) -> None:
    """They may concern any tenant, and they show addresses."""
    await record(acme, "tls_failed", 1_000, tenant=None, charge_point=None)
    await record(acme, "unknown_tenant", 2_000, tenant="nobody")
    found = (await acme.client.get(OF_NOBODY)).json()["items"]
    assert [(one["tenant"], one["charge_point"]) for one in found] == [("nobody", "CP-1"), (None, None)]
    assert await times_of(acme, OF_TENANT) == []
    for allowed in ([TENANT], ["other"], []):
        answer = await acme.client.get(OF_NOBODY, headers=await acme.as_key(allowed))
        is_problem(answer, 404, "not-found")
    anonymous = await acme.client.get(OF_NOBODY, headers={"Authorization": ""})
    assert anonymous.status_code == 401
