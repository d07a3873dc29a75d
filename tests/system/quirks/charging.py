"""Tags, transactions and meters: Q43 to Q51."""

from state.transactions import meter_values, orphans
from tests.system.quirks.messages import before, meter, start, stop
from tests.system.quirks.scene import Scene
from tests.system.quirks.table import quirk

SAMPLE = {"value": "1520"}


async def orphaned(scene: Scene) -> list[orphans.Orphan]:
    async with scene.store() as store:
        return (await orphans.read(store, scene.site.tenant.id, scene.name)).items


async def strays(scene: Scene) -> list[str | None]:
    async with scene.store() as store:
        found = await meter_values.read_strays(store, scene.site.tenant.id, scene.name, 1)
    return [one.transaction_id for one in found.messages]


async def known_tag(scene: Scene, tag: str) -> None:
    assert (await scene.api.put(f"/id-tags/{tag}", json={})).is_success


@quirk(
    43,
    "tolerated",
    "id_tag_odd",
    "id_tag_empty",
    strict="an empty id tag is judged like any other id tag",
    strict_faults=("id_tag_odd",),
)
async def decorated_tags(scene: Scene) -> None:
    """Id tags are compared unchanged, because a cut tag might be the tag of another driver.

    csms treats an empty tag like an absent one.
    """
    await known_tag(scene, "F6CA0CC5")
    async with scene.station() as station:
        for tag in ("term;F6CA0CC5", " F6 CA 0C C5", " F6CA0CC5"):
            assert (await station.odd("Authorize", {"idTag": tag}))["idTagInfo"]["status"] == "Invalid"
        began = await station.odd("StartTransaction", start(idTag="term;F6CA0CC5"))
        answer = await station.odd("StopTransaction", stop(began["transactionId"], idTag=""))
        assert answer == ({"idTagInfo": {"status": "Invalid"}} if scene.strict else {})
        [found] = await scene.transactions()
        assert (found["id_tag"], found["meter_stop"]) == ("term;F6CA0CC5", 900)
        assert found["stop_id_tag"] == ("" if scene.strict else None)


@quirk(44, "repaired", "overlong_text", strict="PropertyConstraintViolation")
async def overlong_tag(scene: Scene) -> None:
    """The tag is kept and compared whole, because its first 20 characters may be another driver's tag."""
    tag = "12345678901234567890"
    await known_tag(scene, tag)
    async with scene.station() as station:
        assert (await station.call("Authorize", {"idTag": tag}))["idTagInfo"]["status"] == "Accepted"
        began = await station.odd("StartTransaction", start(idTag=f"{tag}\u00ffgarbage"))
        assert began["idTagInfo"]["status"] == "Invalid"
        [found] = await scene.transactions()
        assert found["id_tag"] == f"{tag}\u00ffgarbage"


async def of_an_unknown_transaction(scene: Scene, number: int) -> None:
    """Stops and meter values with an unknown id are stored apart, even if a transaction is open on the
    connector.
    """
    async with scene.station() as station:
        began = await station.call("StartTransaction", start())
        await station.odd("MeterValues", meter(SAMPLE, transactionId=number))
        for meter_stop in (700, 800):
            await station.odd("StopTransaction", stop(number, meterStop=meter_stop))
        assert await strays(scene) == [str(number)]
        found = await orphaned(scene)
        assert [(one.transaction_id, one.meter_stop) for one in found] == [
            (str(number), 700),
            (str(number), 800),
        ]
        [running] = await scene.transactions()
        assert (running["ocpp_transaction_id"], running["stopped_at"]) == (began["transactionId"], None)
        assert await scene.values(began["transactionId"]) == []


@quirk(45, "tolerated", "orphan_stop", "unknown_transaction")
async def transaction_zero(scene: Scene) -> None:
    await of_an_unknown_transaction(scene, 0)


@quirk(46, "tolerated", "orphan_stop", "unknown_transaction")
async def transaction_minus_one(scene: Scene) -> None:
    """Two different StopTransaction messages with the id -1 are both kept."""
    await of_an_unknown_transaction(scene, -1)


@quirk(47, "tolerated", "orphan_stop", "unknown_transaction")
async def largest_transaction(scene: Scene) -> None:
    await of_an_unknown_transaction(scene, 2**63 - 1)


@quirk(48, "tolerated", "reservation_zero")
async def reservation_zero(scene: Scene) -> None:
    async with scene.station() as station:
        await station.odd("StartTransaction", start(reservationId=0))
        [found] = await scene.transactions()
        assert found["reservation_id"] in {0, None}


@quirk(49, "tolerated", "values_after_stop", "connector_zero")
async def values_of_an_ended_transaction(scene: Scene) -> None:
    """Meter values that name an ended transaction are stored with it and not with the next transaction on the
    connector.
    """
    async with scene.station() as station:
        one = (await station.call("StartTransaction", start()))["transactionId"]
        await station.odd("MeterValues", meter(SAMPLE, connectorId=0, transactionId=one))
        await station.call("StopTransaction", stop(one))
        two = (await station.call("StartTransaction", start()))["transactionId"]
        await station.odd("MeterValues", meter({"value": "1"}, transactionId=one))
        assert len(await scene.values(one)) == 2
        assert await scene.values(two) == []


@quirk(50, "tolerated", "meter_negative", "meter_backwards")
async def meters_that_fall(scene: Scene) -> None:
    async with scene.station() as station:
        for meter_start, meter_stop in ((-5, -1), (900, 100)):
            began = await station.odd("StartTransaction", start(meterStart=meter_start))
            await station.odd("StopTransaction", stop(began["transactionId"], meterStop=meter_stop))
            [found, *_] = await scene.transactions()
            assert (found["meter_start"], found["meter_stop"]) == (meter_start, meter_stop)
            assert found["energy_wh"] == meter_stop - meter_start


@quirk(51, "tolerated", "repeated_call", "repeated_start", "repeated_stop", "repeated_values", "orphan_stop")
async def replays(scene: Scene) -> None:
    """At each connection the charge point sends all past messages again under new message ids, and repeats
    one stop.
    """
    at = before(hours=20)
    began, ended = start(timestamp=at), before(hours=19)
    numbers: list[int] = []
    for turn in range(2):
        async with scene.station() as station:
            number = (await station.odd("StartTransaction", began, id_=f"s{turn}"))["transactionId"]
            numbers.append(number)
            values = meter(SAMPLE, timestamp=at, transactionId=number)
            await station.odd("MeterValues", values, id_=f"m{turn}")
            for _ in range(2):
                await station.odd("StopTransaction", stop(number, timestamp=ended), id_=f"e{turn}")
            await station.odd("StopTransaction", stop(1, timestamp=ended), id_=f"o{turn}")
    assert numbers[0] == numbers[1]
    [found] = await scene.transactions()
    assert found["meter_stop"] == 900
    assert [value["sampledValue"] for value in await scene.values(numbers[0])] == [[SAMPLE]]
    assert len(await orphaned(scene)) == 1
