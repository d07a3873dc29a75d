"""Counted faults reach the operator, even if the gateway that counted them stops."""

import httpx
import pytest
import trio

from tests.support.charge_point_peer import Peer, charge_point
from tests.support.waiting import GENEROUS_S, until
from tests.system.central import Central, Process


async def counted(api: httpx.AsyncClient) -> dict[str, int]:
    items = (await api.get("/charge-points/cp/faults")).json()["items"]
    return {item["name"]: item["count"] for item in items}


async def boots_oddly(peer: Peer) -> None:
    boot = {"chargePointVendor": "v", "chargePointModel": "m", "odd": 1}
    assert (await peer.call("BootNotification", boot))["status"] == "Accepted"


async def test_a_gateway_stores_its_fault_counts_before_it_stops(central: Central) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            central.gateway(drain__window_s=0) as gateway,
            charge_point(tenant.url(gateway, "cp")) as peer,
        ):
            await boots_oddly(peer)
            gateway.terminate()
            assert await peer.wait_closed() == (1012, "peer")
            await trio.to_thread.run_sync(gateway.child.wait, GENEROUS_S)
            assert await counted(api) == {"extra_property": 1}


@pytest.mark.slow
async def test_faults_are_shown_while_the_charge_point_is_connected(
    central: Central, gateways: tuple[Process, Process]
) -> None:
    tenant = central.tenant()
    async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp")) as peer:
        await boots_oddly(peer)

        async def shown() -> bool:
            return await counted(api) == {"extra_property": 1}

        await until(shown)
        assert (await api.delete("/charge-points/cp/faults")).status_code == 204
        assert await counted(api) == {}
