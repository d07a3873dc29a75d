from tests.admin.api import TENANT, Api
from tests.admin.problem import is_problem


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
