"""Boot, heartbeat and order: Q17 to Q24."""

from tests.support.charge_point_peer import now
from tests.system.quirks.messages import meter, start, status, stop
from tests.system.quirks.scene import Scene
from tests.system.quirks.table import quirk


@quirk(17, "tolerated", "no_boot", strict="SecurityError", strict_faults=("not_accepted",))
async def never_boots(scene: Scene) -> None:
    async with scene.station(boot=False) as station:
        number = (await station.odd("StartTransaction", start()))["transactionId"]
        assert [found["ocpp_transaction_id"] for found in await scene.transactions()] == [number]


@quirk(18, "tolerated", "no_boot", strict="SecurityError", strict_faults=("not_accepted",))
async def speaks_before_its_boot(scene: Scene) -> None:
    async with scene.station(boot=False) as station:
        assert await station.odd("StatusNotification", status()) == {}
        await station.call("Heartbeat", {})
        await station.call("BootNotification", {"chargePointVendor": "v", "chargePointModel": "m"})
        assert (await scene.connectors())[1]["status"] == "Available"


@quirk(
    19,
    "repaired",
    "required_absent",
    "repeated_call",
    strict="OccurenceConstraintViolation",
    strict_faults=("payload_invalid", "not_accepted"),
)
async def boots_over_and_over(scene: Scene) -> None:
    """After a CALLERROR the charge point uses the same message id again, so csms refuses a boot as rarely as
    possible.
    """
    async with scene.station(boot=False) as station:
        for _ in range(3):
            answer = await station.odd("BootNotification", {"chargePointVendor": "Metron"}, id_="1000001")
            assert answer["status"] == "Accepted"
        boot = (await scene.ask("GET")).json()["boot"]["data"]
        assert boot["chargePointVendor"] == "Metron"


@quirk(
    20,
    "tolerated",
    "id_not_text",
    "id_too_long",
    strict="FormationViolation",
    strict_faults=("id_not_text",),
)
async def message_ids(scene: Scene) -> None:
    """Message ids may restart at each connection. A repeat is recognised by its content, not by its id."""
    first, second = start(connectorId=1), start(connectorId=2)
    async with scene.station() as station:
        one = await station.peer.call("StartTransaction", first, id_="210")
    async with scene.station() as station:
        two = await station.peer.call("StartTransaction", second, id_="210")
        three = await station.peer.call("StartTransaction", start(connectorId=3), id_="210")
        assert len({answer["transactionId"] for answer in (one, two, three)}) == 3
        await station.odd_frame('[2,211,"Heartbeat",{}]', id_=211)
        await station.odd("Heartbeat", {}, id_="x" * 40)
        await station.call("Heartbeat", {})


@quirk(21, "tolerated", "repeated_start")
async def starts_twice(scene: Scene) -> None:
    """If StartTransaction is repeated under another message id, there is still one transaction."""
    async with scene.station() as station:
        same = start()
        one = await station.odd("StartTransaction", same, id_="a")
        assert await station.odd("StartTransaction", same, id_="b") == one
        assert len(await scene.transactions()) == 1


@quirk(22, "tolerated", "available_while_charging")
async def available_before_its_stop(scene: Scene) -> None:
    async with scene.station() as station:
        number = (await station.call("StartTransaction", start()))["transactionId"]
        await station.odd("StatusNotification", status(status="Available"))
        assert (await scene.connectors())[1]["status"] == "Available"
        [found] = await scene.transactions()
        assert found["stopped_at"] is None
        await station.call("StopTransaction", stop(number))
        [found] = await scene.transactions()
        assert found["meter_stop"] == 900


@quirk(23, "tolerated")
async def finishing_with_an_error(scene: Scene) -> None:
    """Status and error code are both kept, because OCPP allows an error that does not stop the charging."""
    async with scene.station() as station:
        await station.odd("StatusNotification", status(status="Finishing", errorCode="WeakSignal"))
        found = (await scene.connectors())[1]
        assert (found["status"], found["error_code"]) == ("Finishing", "WeakSignal")


@quirk(24, "tolerated", "connector_zero")
async def connector_zero(scene: Scene) -> None:
    """The status of the whole charge point does not hide the status of a connector."""
    async with scene.station() as station:
        await station.call("StatusNotification", status(status="Charging", timestamp=now()))
        await station.odd("StatusNotification", status(connectorId=0, status="Faulted"))
        await station.odd("StatusNotification", status(connectorId=0, status="Preparing"))
        await station.call("MeterValues", meter({"value": "1"}, connectorId=0))
        assert {number: one["status"] for number, one in (await scene.connectors()).items()} == {
            0: "Preparing",
            1: "Charging",
        }
