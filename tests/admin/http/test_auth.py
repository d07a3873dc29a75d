"""Requests without a key, with a wrong or revoked key, and with a key that is limited to tenants."""

import httpx
import pytest
from structlog.testing import capture_logs

from gateway.service.attempts import Attempts
from gateway.service.networks import read_networks
from state.store import Store
from state.tenants import api_keys, tenants
from tests.admin.api import PEPPER, TENANT, Api, serving
from tests.admin.problem import is_problem

ROUTES = [
    ("GET", "/v1/tenants/{tenant}"),
    ("DELETE", "/v1/tenants/{tenant}"),
    ("PUT", "/v1/tenants/{tenant}"),
    ("PATCH", "/v1/tenants/{tenant}"),
    ("GET", "/v1/tenants/{tenant}/tokens"),
    ("POST", "/v1/tenants/{tenant}/tokens"),
    ("DELETE", "/v1/tenants/{tenant}/tokens/t"),
    ("GET", "/v1/tenants/{tenant}/charge-points"),
    ("GET", "/v1/tenants/{tenant}/overview"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c"),
    ("PUT", "/v1/tenants/{tenant}/charge-points/c"),
    ("PATCH", "/v1/tenants/{tenant}/charge-points/c"),
    ("DELETE", "/v1/tenants/{tenant}/charge-points/c"),
    ("POST", "/v1/tenants/{tenant}/charge-points/c/disconnect"),
    ("GET", "/v1/tenants/{tenant}/refusals"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/faults"),
    ("POST", "/v1/tenants/{tenant}/charge-points/c/certificate-request/approve"),
    ("POST", "/v1/tenants/{tenant}/charge-points/c/certificate-request/reject"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/issued-certificates"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/issued-certificates/1"),
    ("POST", "/v1/tenants/{tenant}/charge-points/c/issued-certificates/1/revoke"),
    ("GET", "/v1/tenants/{tenant}/certificates"),
    ("DELETE", "/v1/tenants/{tenant}/charge-points/c/faults"),
    ("POST", "/v1/tenants/{tenant}/charge-points/c/accept"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/configuration"),
    ("PATCH", "/v1/tenants/{tenant}/charge-points/c/configuration"),
    ("DELETE", "/v1/tenants/{tenant}/charge-points/c/configuration"),
    ("POST", "/v1/tenants/{tenant}/charge-points/c/configuration/refresh"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/local-list"),
    ("PUT", "/v1/tenants/{tenant}/charge-points/c/local-list"),
    ("PATCH", "/v1/tenants/{tenant}/charge-points/c/local-list"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/local-list/accepted"),
    ("DELETE", "/v1/tenants/{tenant}/charge-points/c/local-list/accepted"),
    ("POST", "/v1/tenants/{tenant}/charge-points/c/local-list/from-id-tags"),
    ("POST", "/v1/tenants/{tenant}/charge-points/c/local-list/send"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/reservations"),
    ("POST", "/v1/tenants/{tenant}/charge-points/c/reservations"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/reservations/7"),
    ("DELETE", "/v1/tenants/{tenant}/charge-points/c/reservations/7"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/charging-profiles"),
    ("DELETE", "/v1/tenants/{tenant}/charge-points/c/charging-profiles"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/charging-profiles/1"),
    ("PUT", "/v1/tenants/{tenant}/charge-points/c/charging-profiles/1"),
    ("DELETE", "/v1/tenants/{tenant}/charge-points/c/charging-profiles/1"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/charging-profiles/composite-schedule?connector_id=1"),
    ("POST", "/v1/tenants/{tenant}/charge-points/c/charging-profiles/composite-schedule"),
    ("GET", "/v1/tenants/{tenant}/batches"),
    ("POST", "/v1/tenants/{tenant}/batches"),
    ("GET", "/v1/tenants/{tenant}/batches/b"),
    ("GET", "/v1/tenants/{tenant}/batches/b/items"),
    ("POST", "/v1/tenants/{tenant}/batches/b/cancel"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/jobs"),
    ("POST", "/v1/tenants/{tenant}/charge-points/c/jobs"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/jobs/j"),
    ("DELETE", "/v1/tenants/{tenant}/charge-points/c/jobs/j"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/security-events"),
    ("DELETE", "/v1/tenants/{tenant}/charge-points/c/security-events/x"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/certificates"),
    ("POST", "/v1/tenants/{tenant}/charge-points/c/certificates/refresh?type=CentralSystemRootCertificate"),
    ("DELETE", "/v1/tenants/{tenant}/charge-points/c/certificates/kD3x0aQz1v9bW5eT"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/certificate-request"),
    ("DELETE", "/v1/tenants/{tenant}/charge-points/c/certificate-request"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/data-transfers"),
    ("DELETE", "/v1/tenants/{tenant}/charge-points/c/data-transfers/1-0"),
    ("GET", "/v1/tenants/{tenant}/data-transfer-vendors"),
    ("GET", "/v1/tenants/{tenant}/data-transfer-vendors/v"),
    ("PUT", "/v1/tenants/{tenant}/data-transfer-vendors/v"),
    ("DELETE", "/v1/tenants/{tenant}/data-transfer-vendors/v"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/commands"),
    ("POST", "/v1/tenants/{tenant}/charge-points/c/commands/Reset"),
    ("GET", "/v1/tenants/{tenant}/commands/00.AAAAAAAAAAAAAAAAAAAAAA"),
    ("POST", "/v1/tenants/{tenant}/commands/00.AAAAAAAAAAAAAAAAAAAAAA/cancel"),
    ("GET", "/v1/tenants/{tenant}/id-tags"),
    ("GET", "/v1/tenants/{tenant}/id-tags/x"),
    ("PUT", "/v1/tenants/{tenant}/id-tags/x"),
    ("PATCH", "/v1/tenants/{tenant}/id-tags/x"),
    ("DELETE", "/v1/tenants/{tenant}/id-tags/x"),
    ("GET", "/v1/tenants/{tenant}/id-tags/x/holds"),
    ("DELETE", "/v1/tenants/{tenant}/id-tags/x/holds/h"),
    ("POST", "/v1/tenants/{tenant}/charge-points/c/orphaned-stops/o/join"),
    ("GET", "/v1/tenants/{tenant}/transactions"),
    ("GET", "/v1/tenants/{tenant}/transactions/c.1"),
    ("GET", "/v1/tenants/{tenant}/transactions/c.1/meter-values"),
    ("GET", "/v1/tenants/{tenant}/transactions/completed"),
    ("GET", "/v1/tenants/{tenant}/transactions/c.1/meter-values-without-id"),
    ("POST", "/v1/tenants/{tenant}/transactions/c.1/end"),
    ("GET", "/v1/tenants/{tenant}/events"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/orphaned-stops"),
    ("DELETE", "/v1/tenants/{tenant}/charge-points/c/orphaned-stops/x"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/stray-meter-values"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/trace"),
    ("PUT", "/v1/tenants/{tenant}/charge-points/c/trace"),
    ("DELETE", "/v1/tenants/{tenant}/charge-points/c/trace"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/trace/frames"),
    ("GET", "/v1/tenants/{tenant}/charge-points/c/trace/stream"),
]


async def test_an_api_key_is_needed_for_every_route_except_that_of_the_openapi_document(api: Api) -> None:
    async with httpx.AsyncClient(base_url=api.url, verify=False) as stranger:
        for method, path in [("GET", "/v1/tenants"), *ROUTES]:
            response = await stranger.request(method, path.format(tenant=TENANT))
            is_problem(response, 401, "unauthorised")
            assert response.headers["www-authenticate"].startswith("Bearer")
        assert (await stranger.get("/openapi.json")).status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        "Bearer",
        "Bearer nonsense",
        "Bearer csms_00_00",
        "Basic YTpi",
        "Bearer " + "x" * 5000,
        "Bearer csms_é_x",
    ],
)
async def test_a_request_with_a_wrong_api_key_is_answered_401(api: Api, given: str) -> None:
    headers = {b"Authorization": given.encode("latin-1")}
    async with httpx.AsyncClient(base_url=api.url, verify=False) as stranger:
        is_problem(await stranger.get("/v1/tenants", headers=headers), 401, "unauthorised")


async def test_the_first_request_after_the_api_key_is_revoked_is_answered_401(api: Api) -> None:
    made = await api_keys.create(api.store, PEPPER, "soon gone", None)
    headers = {"Authorization": f"Bearer {made.secret}"}
    assert (await api.client.get("/v1/tenants", headers=headers)).status_code == 200
    await api_keys.revoke(api.store, made.id)
    is_problem(await api.client.get("/v1/tenants", headers=headers), 401, "unauthorised")


async def test_a_tenant_that_the_api_key_may_not_use_is_answered_with_the_same_404_as_an_absent_tenant(
    api: Api,
) -> None:
    await tenants.put(api.store, "other", name="Other", auto_register=True)
    limited = await api.as_key([TENANT])
    for method, path in ROUTES:
        documents = []
        for tenant in ("other", "nobody"):
            response = await api.client.request(method, path.format(tenant=tenant), headers=limited)
            document = is_problem(response, 404, "not-found")
            documents.append({k: v for k, v in document.items() if k not in {"instance", "request_id"}})
        assert documents[0] == documents[1]
    assert await tenants.get(api.store, "nobody") is None
    other = await tenants.get(api.store, "other")
    assert other is not None
    assert other.name == "Other"


async def test_an_api_key_for_one_tenant_can_be_used_for_that_tenant(api: Api) -> None:
    await tenants.put(api.store, "other", name="Other", auto_register=True)
    limited = await api.as_key([TENANT])
    assert (await api.client.get(f"/v1/tenants/{TENANT}", headers=limited)).status_code == 200
    assert (
        await api.client.put(f"/v1/tenants/{TENANT}/id-tags/x", json={}, headers=limited)
    ).status_code == 201
    listed = (await api.client.get("/v1/tenants", headers=limited)).json()
    assert [tenant["id"] for tenant in listed["items"]] == [TENANT]


async def test_a_command_of_one_tenant_cannot_be_read_at_the_path_of_another_tenant(api: Api) -> None:
    await tenants.put(api.store, "other", name="Other", auto_register=True)
    await api.client.put(f"/v1/tenants/{TENANT}/charge-points/CP-1", json={})
    sent = await api.client.post(f"/v1/tenants/{TENANT}/charge-points/CP-1/commands/ClearCache")
    command = is_problem(sent, 409, "offline")["id"]
    is_problem(await api.client.get(f"/v1/tenants/other/commands/{command}"), 404, "not-found")


def other_secret(key: str) -> dict[str, str]:
    """Return a header with the id of a key, and with another secret."""
    return {"Authorization": f"Bearer {key[:-4]}zzzz"}


async def test_too_many_wrong_secrets_for_one_api_key_block_this_key_for_their_address(store: Store) -> None:
    await tenants.put(store, TENANT, name="Acme", auto_register=False)
    proxies = read_networks("listen.trusted_proxies", ["127.0.0.0/8"])
    attempts = Attempts(per_address=100, per_name=3)
    async with serving(store, attempts=attempts, trusted_proxies=proxies) as api:
        key = (await api_keys.create(store, PEPPER, "attacked", None)).secret
        attacker, owner = ({"X-Forwarded-For": f"6.6.6.6, 203.0.113.{last}"} for last in (1, 2))
        for _ in range(3):
            wrong = await api.client.get("/v1/tenants", headers=other_secret(key) | attacker)
            is_problem(wrong, 401, "unauthorised")
        right = {"Authorization": f"Bearer {key}"}
        refused = await api.client.get("/v1/tenants", headers=right | attacker)
        is_problem(refused, 429, "too-many-failures")
        assert 0 < int(refused.headers["retry-after"]) <= 61
        assert (await api.client.get("/v1/tenants", headers=right | owner)).status_code == 200
        assert (await api.client.get("/v1/tenants", headers=attacker)).status_code == 200


async def test_an_address_with_too_many_wrong_api_keys_is_told_so_but_its_right_keys_are_served(
    store: Store,
) -> None:
    async with serving(store, attempts=Attempts(per_address=3, per_name=100)) as api:
        statuses = []
        for number in range(5):
            # Only trusted proxies are believed, so the header changes nothing.
            headers = {"Authorization": f"Bearer nonsense {number}", "X-Forwarded-For": f"203.0.113.{number}"}
            statuses.append((await api.client.get("/v1/tenants", headers=headers)).status_code)
        assert statuses == [401, 401, 401, 429, 429]
        assert (await api.client.get("/v1/tenants")).status_code == 200


async def test_a_request_without_an_api_key_does_not_count_as_a_wrong_key(store: Store) -> None:
    async with (
        serving(store, attempts=Attempts(per_address=1, per_name=1)) as api,
        httpx.AsyncClient(base_url=api.url, verify=False) as stranger,
    ):
        for _ in range(3):
            is_problem(await stranger.get("/v1/tenants"), 401, "unauthorised")


async def test_the_log_has_the_address_of_the_client_of_each_request(store: Store) -> None:
    proxies = read_networks("listen.trusted_proxies", ["127.0.0.0/8"])
    async with serving(store, trusted_proxies=proxies) as api:
        with capture_logs() as logs:
            await api.client.get("/v1/tenants", headers={"X-Forwarded-For": "203.0.113.9"})
            await api.client.get("/v1/tenants", headers={"Authorization": "Bearer wrong"})
        found = [(one["status"], one["address"]) for one in logs if one["event"] == "request.answered"]
    assert found == [(200, "203.0.113.9"), (401, "127.0.0.1")]
