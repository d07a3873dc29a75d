"""Whatever is wrong with the store, each request gets a problem with words, and none gets a 500.

These tests cover admin/http/problems.py and admin/app.py.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from schemathesis import Case
from schemathesis import openapi as schemathesis_openapi

from state.store import Store, StoreConfig, open_store
from tests.admin.api import TENANT, Api, serving
from tests.admin.problem import is_problem
from tests.support.valkey_server import ValkeyServer
from tests.support.waiting import until

ENDLESS = {"events", "stream"}
KNOWN = {"tenant": TENANT, "charge_point": "CP-1", "tag": "TAG"}


@pytest.fixture
async def api(private_valkey: ValkeyServer) -> AsyncIterator[Api]:
    """An API whose store may be harmed. Timeouts are short, so that the test need not wait for long."""
    config = StoreConfig(url=private_valkey.url, timeout_s=0.5)
    async with open_store(config) as store, serving(store) as opened:
        for path in ("", "/charge-points/CP-1", "/id-tags/TAG"):
            assert (await opened.client.put(f"/v1/tenants/{TENANT}{path}", json={})).is_success
        yield opened


async def test_a_write_that_the_store_refuses_gets_a_problem_that_says_why_and_reading_goes_on(
    private_valkey: ValkeyServer, api: Api
) -> None:
    private_valkey.ask(b"CONFIG SET min-replicas-to-write 1")
    path = f"/v1/tenants/{TENANT}/charge-points/CP-2"
    response = await api.client.put(path, json={})
    is_problem(response, 503, "store-unavailable")
    assert response.headers["Retry-After"]
    assert "The store refuses writes (NOREPLICAS)" in response.json()["detail"]
    assert (await api.client.get(f"/v1/tenants/{TENANT}/charge-points/CP-1")).status_code == 200
    private_valkey.ask(b"CONFIG SET min-replicas-to-write 0")
    assert (await api.client.put(path, json={})).status_code == 201


async def test_a_request_while_the_store_has_been_away_for_a_second_does_not_ask_it(
    private_valkey: ValkeyServer, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = api.store
    private_valkey.pause()

    async def is_away() -> bool:
        return store.away_s > 1

    with trio.fail_after(60):
        is_problem(await api.client.get("/v1/tenants"), 503, "store-unavailable")
        await until(is_away, every_s=0.1)
        with monkeypatch.context() as patch:
            patch.delattr(Store, "execute")
            is_problem(await api.client.get("/v1/tenants"), 503, "store-unavailable")
        private_valkey.resume()
        await store.wait_available()
        assert (await api.client.get("/v1/tenants")).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trouble", "command"),
    [
        ("NOREPLICAS", b"CONFIG SET min-replicas-to-write 1"),
        ("OOM", b"CONFIG SET maxmemory 1"),
        ("away", b"CLIENT PAUSE 600000 ALL"),
        ("read-only", b"REPLICAOF 127.0.0.1 1"),
    ],
)
async def test_no_request_gets_a_500_while_the_store_is_in_trouble(
    private_valkey: ValkeyServer,
    api: Api,
    capsys: pytest.CaptureFixture[str],
    trouble: str,
    command: bytes,
) -> None:
    document = (await api.client.get("/openapi.json")).json()
    document["paths"] = {
        path: operations
        for path, operations in document["paths"].items()
        if path.rpartition("/")[2] not in ENDLESS
    }
    headers = {"Authorization": api.client.headers["Authorization"]}
    seen: dict[int, int] = {}

    def call(case: Case[Any]) -> None:
        response = case.call(base_url=api.url, headers=headers, timeout=60)
        seen[response.status_code] = seen.get(response.status_code, 0) + 1
        # When csms has noticed that the store is full, it answers 507 without asking the store.
        unavailable = {503, 507} if trouble == "OOM" else {503}
        assert response.status_code < 500 or response.status_code in unavailable, (
            case.path,
            response.content,
        )
        if response.status_code in unavailable:
            assert response.headers["retry-after"]
            assert response.headers["content-type"] == ["application/problem+json"]

    # The cases are made before the trouble, because Hypothesis refuses to share `random` with reconnects.
    cases: list[Case[Any]] = []
    for result in schemathesis_openapi.from_dict(document).get_all_operations():
        operation: Any = result
        await trio.to_thread.run_sync(_collect, operation.ok(), cases)
    private_valkey.ask(command)
    for case in cases:
        await trio.to_thread.run_sync(call, case)
    assert seen[503] > 10, (trouble, seen)
    assert "Traceback" not in capsys.readouterr().err


def _collect(operation: Any, cases: list[Case[Any]]) -> None:
    from hypothesis import HealthCheck, given, settings  # noqa: PLC0415  only the slow test wants it

    @settings(max_examples=8, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def once(case: Case[Any]) -> None:
        given = case.path_parameters or {}
        case.path_parameters = {**given, **{name: KNOWN[name] for name in KNOWN.keys() & given.keys()}}
        if case.query and "wait" in case.query:
            case.query["wait"] = 0
        cases.append(case)

    once()
