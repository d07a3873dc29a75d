"""Times: Q25 to Q30."""

from datetime import UTC, datetime, timedelta

from state.charge_points import connectors
from tests.system.quirks.messages import before, meter, start, status, stop
from tests.system.quirks.scene import Scene
from tests.system.quirks.table import quirk


@quirk(25, "repaired", "time_no_zone", strict="PropertyConstraintViolation")
async def no_zone(scene: Scene) -> None:
    async with scene.station() as station:
        await station.odd("StartTransaction", start(timestamp="2026-01-31T12:00:00"))
        await station.odd("MeterValues", meter({"value": "1"}, timestamp="2026-01-31T12:00:30"))
        [found] = await scene.transactions()
        later = await scene.api.get("/transactions", params={"since": "2026-01-31T12:00:01Z"})
        assert found["id"] not in {one["id"] for one in later.json()["items"]}
        assert found["started_at"].startswith("2026-01-31T12:00:00")


@quirk(26, "repaired", "time_format", strict="PropertyConstraintViolation")
async def offset_without_minutes(scene: Scene) -> None:
    async with scene.station() as station:
        await station.odd("StartTransaction", start(timestamp="2026-01-31T12:00:00+02"))
        asked = {"charge_point": scene.name, "since": "2026-01-31T10:00:00Z"}
        assert len((await scene.api.get("/transactions", params=asked)).json()["items"]) == 1
        asked["since"] = "2026-01-31T10:00:01Z"
        assert (await scene.api.get("/transactions", params=asked)).json()["items"] == []


@quirk(27, "tolerated", "time_ahead")
async def local_time_called_utc(scene: Scene) -> None:
    """The charge point sends its local time as UTC.

    East of Greenwich, this time is ahead and can be recognised. West of Greenwich, the charge point seems to
    have been offline.
    """
    ahead = (datetime.now(UTC) + timedelta(hours=8)).isoformat(timespec="seconds").replace("+00:00", "Z")
    async with scene.station() as station:
        await station.odd("StartTransaction", start(timestamp=ahead))
        await station.odd("StartTransaction", start(timestamp=before(hours=5), connectorId=2))
        assert len(await scene.transactions()) == 2


@quirk(28, "tolerated", "time_before_2015", "clock_stuck")
async def clock_never_set(scene: Scene) -> None:
    """After the stop, a StartTransaction with the same time in 1970 begins another transaction."""
    async with scene.station() as station:
        one = (await station.odd("StartTransaction", start(timestamp="1970-01-01T00:00:05Z")))[
            "transactionId"
        ]
        await station.odd("StopTransaction", stop(one, timestamp="2014-01-01T00:00:05Z"))
        two = (await station.odd("StartTransaction", start(timestamp="1970-01-01T00:00:05Z")))[
            "transactionId"
        ]
        await station.odd("StatusNotification", status(status="Charging", timestamp="1970-01-01T00:00:06Z"))
        assert {found["ocpp_transaction_id"] for found in await scene.transactions()} == {one, two}


@quirk(29, "tolerated")
async def seven_digits(scene: Scene) -> None:
    async with scene.station() as station:
        await station.odd("StartTransaction", start(timestamp="2026-01-31T12:00:00.1240977Z"))
        [found] = await scene.transactions()
        assert found["started_at"].startswith("2026-01-31T12:00:00.124")


@quirk(30, "tolerated")
async def status_without_a_time(scene: Scene) -> None:
    async with scene.station() as station:
        await station.odd("StatusNotification", status(status="Preparing"))
        async with scene.store() as store:
            [found] = await connectors.list_(store, scene.site.tenant.id, scene.name)
        assert (found.status, found.timestamp) == ("Preparing", None)
        assert found.received_ms > 0
