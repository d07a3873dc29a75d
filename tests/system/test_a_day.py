"""An independent charge point goes through a day, commanded by an operator."""

import asyncio

from ocpp.v16 import call

from tests.support.csms_up import Running
from tests.system.independent import Independent, charge_point, now

SAMPLES = [("Transaction.Begin", "1000"), ("Sample.Periodic", "1500"), ("Sample.Periodic", "2250")]


def test_an_independently_written_charge_point_works_with_csms_from_the_boot_to_a_remote_stop(
    running: Running,
) -> None:
    asyncio.run(_day(running), debug=False)


async def _day(running: Running) -> None:
    async with asyncio.timeout(60), charge_point(running, "day 1", Independent) as cp:
        assert (await cp.boot()).status == "Accepted"
        for connector in (0, 1):
            await cp.call(
                call.StatusNotification(
                    connector_id=connector, error_code="NoError", status="Available", timestamp=now()
                )
            )
        assert (await cp.call(call.Heartbeat())).current_time.endswith("Z")
        assert (await cp.call(call.Authorize(id_tag="demo"))).id_tag_info["status"] == "Accepted"
        assert (await cp.call(call.Authorize(id_tag="nobody"))).id_tag_info["status"] == "Invalid"
        started_at = now()
        started = await cp.start_transaction(timestamp=started_at)
        assert started.id_tag_info["status"] == "Accepted"
        assert started.transaction_id > 0
        await _meter(cp, started.transaction_id)
        command = await asyncio.to_thread(_remote_stop, running, started.transaction_id)
        assert command["status"] == "answered"
        assert command["response"] == {"status": "Accepted"}
        assert await cp.remote_stop == started.transaction_id
        stopped_at = now()
        await cp.call(
            call.StopTransaction(
                transaction_id=started.transaction_id,
                meter_stop=3000,
                timestamp=stopped_at,
                reason="Remote",
                id_tag="DEMO",
            )
        )
        await asyncio.to_thread(_see, running, started.transaction_id, started_at, stopped_at)


async def _meter(cp: Independent, transaction_id: int) -> None:
    for context, value in SAMPLES:
        sample = {
            "value": value,
            "context": context,
            "measurand": "Energy.Active.Import.Register",
            "unit": "Wh",
        }
        await cp.call(
            call.MeterValues(
                connector_id=1,
                transaction_id=transaction_id,
                meter_value=[{"timestamp": now(), "sampled_value": [sample]}],
            )
        )


def _remote_stop(running: Running, transaction_id: int) -> dict[str, object]:
    with running.api() as api:
        answer = api.post(
            "/charge-points/day%201/commands/RemoteStopTransaction?wait=10",
            json={"transactionId": transaction_id},
        )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _see(running: Running, transaction_id: int, started_at: str, stopped_at: str) -> None:
    with running.api() as api:
        found = api.get(f"/transactions/day%201.{transaction_id}").json()
        assert found["charge_point"] == "day 1"
        assert found["connector_id"] == 1
        assert found["id_tag"] == "DEMO"
        assert (found["meter_start"], found["meter_stop"], found["energy_wh"]) == (1000, 3000, 2000)
        assert found["reason"] == "Remote"
        assert _same_time(found["started_at"], started_at)
        assert _same_time(found["stopped_at"], stopped_at)
        values = api.get(f"/transactions/day%201.{transaction_id}/meter-values").json()["items"]
        assert [sample["value"] for item in values for sample in item["sampledValue"]] == [
            value for _, value in SAMPLES
        ]
        point = api.get("/charge-points/day%201").json()
        assert point["boot"]["data"]["chargePointModel"] == "Other"
        assert [c["status"] for c in point["connectors"]] == ["Available", "Available"]
        assert point["connection"]["tls"].startswith("TLSv1")


def _same_time(one: str, other: str) -> bool:
    return one[:23].rstrip("Z") == other[:23].rstrip("Z")
