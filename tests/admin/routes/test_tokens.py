from state.nodes import inbox
from state.tenants import tokens
from tests.admin.api import PEPPER, TENANT, Api
from tests.admin.fake_session import connected
from tests.admin.problem import is_problem

BASE = f"/v1/tenants/{TENANT}"


async def test_the_secret_of_a_token_is_shown_only_once_and_is_valid_until_the_token_is_revoked(
    api: Api,
) -> None:
    made = await api.client.post(f"{BASE}/tokens", json={"label": "north"})
    assert made.status_code == 201
    token = made.json()
    assert len(token["secret"]) >= 32
    listed = await api.read_all(f"{BASE}/tokens")
    assert [(one["id"], one["label"]) for one in listed] == [(token["id"], "north")]
    assert token["secret"] not in str(listed)
    verified = await tokens.look_up(api.store, PEPPER, TENANT, token["secret"])
    assert verified.token is not None
    assert verified.token.id == token["id"]
    async with connected(api.store, TENANT, "CP-1", token_id=token["id"]) as session:
        assert (await api.client.delete(f"{BASE}/tokens/{token['id']}")).status_code == 204
        assert await session.hear(inbox.TokenRevoked) == inbox.TokenRevoked(TENANT, token["id"])
    assert (await tokens.look_up(api.store, PEPPER, TENANT, token["secret"])).token is None
    is_problem(await api.client.delete(f"{BASE}/tokens/{token['id']}"), 404, "not-found")
    assert await api.read_all(f"{BASE}/tokens") == []


async def test_a_token_can_be_bound_to_one_charge_point(api: Api) -> None:
    made = (await api.client.post(f"{BASE}/tokens", json={"charge_point": "CP ü"})).json()
    assert (made["charge_point"], made["retired_at"]) == ("CP ü", None)
    assert [one["charge_point"] for one in await api.read_all(f"{BASE}/tokens")] == ["CP ü"]
    for name in ("", "a/b", "a:b", "x" * 256, "ü" * 200, "\n", ".."):
        answer = await api.client.post(f"{BASE}/tokens", json={"charge_point": name})
        assert answer.status_code == 422, name


async def test_a_retired_token_is_listed_and_the_gateways_hear_of_it(api: Api) -> None:
    token = (await api.client.post(f"{BASE}/tokens", json={})).json()
    path = f"{BASE}/tokens/{token['id']}"
    async with connected(api.store, TENANT, "CP-1", token_id=token["id"]) as session:
        assert (await api.client.patch(path, json={"retired": True})).status_code == 204
        assert await session.hear(inbox.TokenRetired) == inbox.TokenRetired(TENANT, token["id"])
        [listed] = await api.read_all(f"{BASE}/tokens")
        assert listed["retired_at"] is not None
        assert (await api.client.patch(path, json={"retired": False})).status_code == 204
        [listed] = await api.read_all(f"{BASE}/tokens")
        assert listed["retired_at"] is None
    assert [type(one) for one in session.messages].count(inbox.TokenRetired) == 1


async def test_a_token_shows_when_it_was_last_used(api: Api) -> None:
    token = (await api.client.post(f"{BASE}/tokens", json={})).json()
    assert token["last_used_at"] is None
    await tokens.record_uses(api.store, {(TENANT, token["id"]): 1_800_000_000_000})
    [listed] = await api.read_all(f"{BASE}/tokens")
    assert listed["last_used_at"] == "2027-01-15T08:00:00.000Z"


async def test_only_a_token_of_the_tenant_can_be_retired(api: Api) -> None:
    token = (await api.client.post(f"{BASE}/tokens", json={})).json()
    other = await api.as_key(["other"])
    answer = await api.client.patch(f"{BASE}/tokens/{token['id']}", json={"retired": True}, headers=other)
    assert answer.status_code in {403, 404}
    is_problem(await api.client.patch(f"{BASE}/tokens/nothere1", json={"retired": True}), 404, "not-found")
    for body in ({}, {"retired": "yes"}, {"retired": True, "id": "x"}):
        assert (await api.client.patch(f"{BASE}/tokens/{token['id']}", json=body)).status_code == 422
    [listed] = await api.read_all(f"{BASE}/tokens")
    assert listed["retired_at"] is None
