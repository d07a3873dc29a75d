from state import transactions
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import connected
from tests.admin.problem import is_problem
from tests.support.transactions import ANSWER, a_start, a_stop


async def test_a_tenant_can_be_created_and_replaced_and_read_and_listed_and_deleted(api: Api) -> None:
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


async def test_the_operator_chooses_the_security_profile_of_a_new_tenant_and_0_is_the_default(
    api: Api,
) -> None:
    made = await api.client.put("/v1/tenants/a", json={})
    assert made.json()["security_profile"] == 0
    made = await api.client.put("/v1/tenants/b", json={"security_profile": 2})
    assert made.json()["security_profile"] == 2
    for profile in (-1, 4, "1", 1.5):
        answer = await api.client.put("/v1/tenants/c", json={"security_profile": profile})
        assert answer.status_code == 422
    is_problem(await api.client.get("/v1/tenants/c"), 404, "not-found")


async def test_a_replacement_without_a_security_profile_does_not_open_the_tenant_again(api: Api) -> None:
    await api.client.put("/v1/tenants/b", json={"security_profile": 3})
    for body in ({"name": "B"}, {"name": "B", "security_profile": None}):
        replaced = await api.client.put("/v1/tenants/b", json=body)
        assert replaced.json()["security_profile"] == 3
    lowered = await api.client.put("/v1/tenants/b", json={"security_profile": 0})
    assert lowered.json()["security_profile"] == 0


async def test_a_tenant_with_transactions_of_deleted_charge_points_is_deleted_only_by_a_purge(
    api: Api,
) -> None:
    path = f"/v1/tenants/{TENANT}"
    async with connected(api.store, TENANT, "CP-1") as session:
        outcome = await transactions.start(api.store, session.lease, a_start(), ANSWER)
        await transactions.stop(api.store, session.lease, a_stop(outcome.id), ANSWER)
        for purge in ("true", "false"):
            is_problem(await api.client.delete(path, params={"purge": purge}), 409, "in-use")
        assert (await api.client.delete(f"{path}/charge-points/CP-1")).status_code == 204
        late = await transactions.start(api.store, session.lease, a_start(timestamp="late"), ANSWER)
    problem = is_problem(await api.client.delete(path), 409, "has-transactions")
    assert "purge=true" in problem["detail"]
    problem = is_problem(await api.client.delete(path, params={"purge": "true"}), 409, "open-transactions")
    assert problem["transaction"] == f"CP-1.{late.id}"
    assert (await api.client.get(f"{path}/transactions/CP-1.{outcome.id}")).status_code == 200
    ended = await api.client.post(f"{path}/transactions/CP-1.{late.id}/end", json={})
    assert ended.status_code == 200, ended.text
    assert (await api.client.delete(path, params={"purge": "true"})).status_code == 204
    is_problem(await api.client.get(path), 404, "not-found")
    await api.client.put(path, json={})
    assert await api.read_all(f"{path}/charge-points") == []
    is_problem(await api.client.get(f"{path}/transactions/CP-1.{outcome.id}"), 404, "not-found")
