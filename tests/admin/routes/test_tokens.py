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
