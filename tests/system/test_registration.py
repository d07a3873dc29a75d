"""Charge points that stay Pending or Rejected until an operator accepts them, over real connections."""

from typing import Any

import httpx
import pytest
import trio

from tests.support.charge_point_peer import Peer, charge_point, now
from tests.support.waiting import until
from tests.system.central import Central, Process

type Gateways = tuple[Process, Process]

BOOT = {"chargePointVendor": "Acme", "chargePointModel": "Bolt 22"}
START = {"connectorId": 1, "idTag": "TAG", "meterStart": 100}
TRIGGER = "/charge-points/cp/commands/TriggerMessage"


async def set_up(api: httpx.AsyncClient, **settings: Any) -> None:
    response = await api.put("/charge-points/cp", json=settings)
    assert response.is_success, response.text


async def read(api: httpx.AsyncClient, name: str = "cp") -> dict[str, Any]:
    response = await api.get(f"/charge-points/{name}")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def refused(peer: Peer, action: str, payload: dict[str, Any]) -> bool:
    answer = await peer.exchange(action, payload)
    return bool(answer[0] == 4 and answer[2] == "SecurityError")


async def boot(peer: Peer) -> tuple[str, int]:
    """Send each BootNotification with the same message id, like some charge points (Q19).

    Each boot gets a fresh answer.
    """
    answer = await peer.call("BootNotification", BOOT, id_="1000001")
    return answer["status"], answer["interval"]


def kind(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["type"].rpartition(":")[2]


async def test_a_charge_point_is_pending_until_an_operator_accepts_it_and_then_stays_accepted(
    central: Central,
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, central.gateway() as gateway:
            await set_up(api, registration="Pending", registration_interval_s=17)
            async with charge_point(tenant.url(gateway, "cp")) as peer:
                # Before the first boot, the charge point has the status that the policy would answer.
                assert await refused(peer, "Heartbeat", {})
                assert await boot(peer) == ("Pending", 17)
                assert await refused(peer, "Heartbeat", {})
                fact = START | {"timestamp": now()}
                assert await refused(peer, "StartTransaction", fact)
                waiting = (await api.get("/charge-points", params={"boot_status": "Pending"})).json()["items"]
                assert [(one["id"], one["awaiting_release"]) for one in waiting] == [("cp", True)]
                start = await api.post(
                    "/charge-points/cp/commands/RemoteStartTransaction", json={"idTag": "TAG"}
                )
                assert kind(start) == (409, "not-accepted")
                assert peer.asked == []
                # A pending charge point may send only the messages that csms requests.
                asked = await api.post(TRIGGER, json={"requestedMessage": "StatusNotification"})
                assert asked.status_code == 200, asked.text
                status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
                assert await peer.call("StatusNotification", status) == {}
                assert await refused(peer, "Heartbeat", {})
                # A pending charge point may get commands for its configuration and for a boot.
                asked = await api.post(TRIGGER, json={"requestedMessage": "BootNotification"})
                assert asked.status_code == 200, asked.text
                assert await boot(peer) == ("Pending", 17)
                released = await api.post("/charge-points/cp/accept", params={"trigger": "true"})
                assert released.status_code == 200, released.text
                assert released.json()["command"]["response"] == {"status": "Accepted"}
                assert released.json()["charge_point"]["registration"] == "Accepted"
                assert [payload for _, _, payload in peer.asked][-1] == {
                    "requestedMessage": "BootNotification"
                }
                # After the operator accepts the charge point, only its next boot is answered Accepted.
                assert await refused(peer, "Heartbeat", {})
                assert await boot(peer) == ("Accepted", 300)
                assert "currentTime" in await peer.call("Heartbeat", {})
                # The charge point repeats the refused StartTransaction, and none of its data is lost.
                begun = await peer.call("StartTransaction", fact)
                stored = (await api.get(f"/transactions/cp.{begun['transactionId']}")).json()
                assert stored["meter_start"] == 100
                again = await api.post("/charge-points/cp/accept", params={"trigger": "true"})
                assert kind(again) == (409, "already-accepted")
            # The charge point stays accepted, although the policy will answer Pending at its next boot.
            await set_up(api, registration="Rejected")
            async with charge_point(tenant.url(gateway, "cp")) as peer:
                assert "currentTime" in await peer.call("Heartbeat", {})
                found = await read(api)
                assert (found["registration"], found["boot"]["status"]) == ("Rejected", "Accepted")
                assert found["awaiting_release"] is False
                await trio.to_thread.run_sync(gateway.kill)
            async with central.gateway() as another, charge_point(tenant.url(another, "cp")) as peer:
                assert "currentTime" in await peer.call("Heartbeat", {})
                assert await boot(peer) == ("Rejected", 60)
                assert await refused(peer, "Heartbeat", {})


async def test_a_rejected_charge_point_must_boot_again_and_one_in_strict_mode_must_boot_first(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api:
            await set_up(api, registration="Rejected", registration_interval_s=3600, heartbeat_interval_s=45)
            async with charge_point(tenant.url(gateways[0], "cp")) as peer:
                assert await boot(peer) == ("Rejected", 3600)
                asked = await api.post(TRIGGER, json={"requestedMessage": "StatusNotification"})
                assert asked.json()["warnings"]
                status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
                assert await refused(peer, "StatusNotification", status)
                assert await boot(peer) == ("Rejected", 3600)
                await set_up(api, heartbeat_interval_s=45)
                assert await boot(peer) == ("Accepted", 45)
                assert await peer.call("StatusNotification", status) == {}
            await api.delete("/charge-points/cp")
            await set_up(api, strict=True)
            async with charge_point(tenant.url(gateways[0], "cp")) as peer:
                assert await refused(peer, "Heartbeat", {})
                assert await boot(peer) == ("Accepted", 300)
                assert "currentTime" in await peer.call("Heartbeat", {})


async def test_new_charge_points_get_the_registration_policy_of_their_tenant(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api:
            url = f"{tenant.admin}/v1/tenants/{tenant.id}"
            async with charge_point(tenant.url(gateways[0], "early")) as peer:
                assert await boot(peer) == ("Accepted", 300)
            put = await api.put(url, json={"auto_register": True, "registration": "Pending"})
            assert put.json()["registration"] == "Pending"
            async with (
                charge_point(tenant.url(gateways[0], "early")) as early,
                charge_point(tenant.url(gateways[1], "late")) as late,
            ):
                assert await boot(early) == ("Accepted", 300)
                assert await refused(late, "Heartbeat", {})
                assert await boot(late) == ("Pending", 60)
                found = await read(api, "late")
                assert (found["auto_registered"], found["registration"]) == (True, "Pending")
                assert found["awaiting_release"] is True
                released = await api.post("/charge-points/late/accept")
                assert (released.status_code, released.json()["command"]) == (200, None)
                assert late.asked == []
                assert await boot(late) == ("Accepted", 300)


@pytest.mark.parametrize("settings", [{"strict": True}, {"registration": "Pending"}])
async def test_a_changed_registration_policy_reaches_a_connected_charge_point_that_never_booted(
    central: Central, gateways: Gateways, settings: dict[str, Any]
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp")) as peer:
            assert "currentTime" in await peer.call("Heartbeat", {})

            async def is_refused() -> bool:
                return await refused(peer, "Heartbeat", {})

            async def is_served() -> bool:
                return not await refused(peer, "Heartbeat", {})

            await set_up(api, **settings)
            await until(is_refused)
            await set_up(api)
            await until(is_served)
            assert peer.asked == []
