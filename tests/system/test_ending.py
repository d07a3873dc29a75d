"""An operator ends a transaction, its driver charges elsewhere, and the charge point sends the stop later."""

from typing import Any

import trio

from tests.support.charge_point_peer import Peer, charge_point, now
from tests.support.waiting import until
from tests.system.central import Central, Process

BOOT = {"chargePointVendor": "ACME", "chargePointModel": "T1"}


async def meter_values(cp: Peer, number: int, value: str) -> None:
    values = [{"timestamp": now(), "sampledValue": [{"value": value}]}]
    await cp.call("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": values})


async def test_a_transaction_can_be_ended_and_its_late_stop_changes_no_newer_transaction(
    central: Central, gateways: tuple[Process, Process]
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api:

            async def find(name: str, number: int) -> dict[str, Any]:
                return dict((await api.get(f"/transactions/{name}.{number}")).json())

            async def list_open() -> list[str]:
                page = (await api.get("/transactions", params={"open": "true"})).json()
                return [one["id"] for one in page["items"]]

            await api.put("/id-tags/TAG", json={"max_active_transactions": 1})
            async with charge_point(tenant.url(gateways[0], "a")) as cp:
                number = (await cp.start())["transactionId"]
                await meter_values(cp, number, "250")

            async def is_offline() -> bool:
                return (await api.get("/charge-points/a")).json()["connection"]["online"] is False

            await until(is_offline)
            refused = await api.delete("/charge-points/a")
            assert (refused.status_code, refused.json()["transaction"]) == (409, f"a.{number}")
            async with charge_point(tenant.url(gateways[1], "b")) as elsewhere:
                first = await elsewhere.start()
                assert first["idTagInfo"]["status"] == "ConcurrentTx"
                await elsewhere.stop(first["transactionId"])
                ended = await api.post(f"/transactions/a.{number}/end", json={})
                assert ended.status_code == 200, ended.text
                assert (ended.json()["energy_wh"], ended.json()["ended"]["meter"]) == (150, 250)
                assert await list_open() == []
                second = await elsewhere.start(meter=901)
                assert second["idTagInfo"]["status"] == "Accepted"
                async with charge_point(tenant.url(gateways[0], "a")) as cp:
                    await cp.call("BootNotification", BOOT)
                    newer = await cp.start(tag="OTHER", meter=300)
                    await meter_values(cp, number, "280")
                    at = now()
                    for _ in range(2):
                        assert await cp.stop(number, meter=290, timestamp=at) == {}
                        found = await find("a", number)
                        assert (found["state"], found["energy_wh"]) == ("stopped", 190)
                        assert found["ended"] == ended.json()["ended"]
                        assert found["contradicting_stops"] == 0
                        opened = {f"a.{newer['transactionId']}", f"b.{second['transactionId']}"}
                        assert set(await list_open()) == opened
                    third = await cp.start(connector=2)
                    assert third["idTagInfo"]["status"] == "ConcurrentTx"
                values = (await api.get(f"/transactions/a.{number}/meter-values")).json()["items"]
                assert [one["sampledValue"][0]["value"] for one in values] == ["250", "280"]
