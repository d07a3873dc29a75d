"""An operator drains a gateway through the API, cancels the drain, and sheds sessions."""

from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import httpx
import trio

from tests.support.charge_point_peer import charge_point
from tests.support.raw_upgrade import Answer, upgrade
from tests.support.waiting import until
from tests.system.central import Central, Process, Tenant

MOVED = (1012, "peer")


async def ask(tenant: Tenant, gateway: Process) -> Answer:
    return await trio.to_thread.run_sync(partial(upgrade, tenant.url(gateway, "other")))


def operator(tenant: Tenant) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {tenant.api_key}"}
    return httpx.AsyncClient(base_url=tenant.admin, headers=headers, timeout=60, verify=False)


async def probe(gateway: Process, path: str) -> int:
    async with httpx.AsyncClient(timeout=60, verify=False) as client:
        return (await client.get(f"http://127.0.0.1:{gateway.ports['health']}{path}")).status_code


async def find(api: httpx.AsyncClient, gateway: Process) -> dict[str, Any]:
    listed = (await api.get("/v1/nodes")).json()["items"]
    return next(node for node in listed if node["pid"] == gateway.pid)


async def test_a_gateway_that_an_operator_drains_stays_empty_and_not_ready_until_the_drain_is_cancelled(
    central: Central,
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            operator(tenant) as api,
            central.gateway() as gateway,
            charge_point(tenant.url(gateway, "cp")) as cp,
        ):
            node = await find(api, gateway)
            assert (node["kind"], node["alive"], node["draining"]) == ("gateway", True, False)
            shown = (await api.get(f"/v1/tenants/{tenant.id}/charge-points/cp")).json()["connection"]
            assert (shown["node"], shown["node_host"]) == (node["id"], node["host"])
            path = f"/v1/nodes/{node['id']}/drain"
            assert (await api.post(path)).status_code == 202
            assert await cp.wait_closed() == MOVED
            refused = await ask(tenant, gateway)
            assert (refused.status, "retry-after" in refused.headers) == (503, True)
            assert await probe(gateway, "/readyz") == 503
            assert await probe(gateway, "/livez") == 200
            assert (await api.delete(path)).status_code == 202

            async def is_ready() -> bool:
                return await probe(gateway, "/readyz") == 200

            await until(is_ready)
            assert (await ask(tenant, gateway)).status == 101


async def test_a_gateway_that_sheds_all_sessions_closes_each_once_and_accepts_them_again(
    central: Central,
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with operator(tenant) as api, central.gateway() as gateway, AsyncExitStack() as stack:
            fleet = [
                await stack.enter_async_context(charge_point(tenant.url(gateway, f"cp-{number}")))
                for number in range(4)
            ]
            node = await find(api, gateway)
            body = {"percent": 50, "window_s": 0.5}
            assert (await api.post(f"/v1/nodes/{node['id']}/shed", json=body)).status_code == 202

            async def has_two_sessions() -> bool:
                return (await gateway.read_metrics())["csms_sessions",] == 2

            await until(has_two_sessions)
            for number, cp in enumerate(fleet[:2]):
                assert await cp.wait_closed() == MOVED
                await stack.enter_async_context(charge_point(tenant.url(gateway, f"cp-{number}")))
            assert (await gateway.read_metrics())["csms_sessions",] == 4
            assert await probe(gateway, "/readyz") == 200
