"""Payloads: Q31 to Q42."""

import json
from typing import Any

import trio

from state.transactions import meter_values
from tests.system.quirks.messages import TIME, meter, start, status, stop
from tests.system.quirks.scene import BOOT, Scene, Station
from tests.system.quirks.table import quirk

GOOD = {"value": "1520"}


async def charging(station: Station) -> int:
    number: int = (await station.call("StartTransaction", start()))["transactionId"]
    return number


async def kept(scene: Scene, number: int, *samples: list[Any]) -> bool:
    """Return whether exactly these samples are stored. Messages of one millisecond have no order."""
    found = [one["sampledValue"] for one in await scene.values(number)]
    return sorted(found, key=json.dumps) == sorted(samples, key=json.dumps)


@quirk(31, "repaired", "null_for_absent", strict="TypeConstraintViolation")
async def null_for_absent(scene: Scene) -> None:
    """The charge point sends null for an empty payload and for absent fields.

    The text "null" stays a text.
    """
    async with scene.station() as station:
        assert "currentTime" in await station.call("Heartbeat", None)
        await station.call("StatusNotification", status(status="Preparing", info="null"))
        assert (await scene.connectors())[1]["info"] == "null"
        await station.odd("StatusNotification", status(status="Charging", info=None, vendorId=None))
        found = (await scene.connectors())[1]
        assert (found["status"], found["info"]) == ("Charging", None)


@quirk(
    32,
    "repaired",
    "empty_value",
    "null_for_absent",
    strict="FormationViolation",
    strict_faults=("not_json",),
)
async def value_left_out(scene: Scene) -> None:
    payload = json.dumps(meter(GOOD)).replace('"connectorId": 1', '"connectorId":1,"transactionId":')
    async with scene.station() as station:
        assert await station.odd_frame(f'[2,"m","MeterValues",{payload}]', id_="m") == {}
        async with scene.store() as store:
            found = await meter_values.read_strays(store, scene.site.tenant.id, scene.name, 1)
        [stray] = found.messages
        assert json.loads(stray.payload)[0]["sampledValue"] == [GOOD]


@quirk(33, "repaired", "number_for_text", strict="TypeConstraintViolation")
async def number_for_text(scene: Scene) -> None:
    """A number is read as text, and an empty text stays a text."""
    async with scene.station() as station:
        number = await charging(station)
        await station.call("MeterValues", meter({"value": ""}, transactionId=number))
        payload = json.dumps(meter({"value": "21.50"}, transactionId=number)).replace('"21.50"', "21.50")
        await station.odd_frame(f'[2,"m","MeterValues",{payload}]', id_="m")
        assert await kept(scene, number, [{"value": ""}], [{"value": "21.50"}])


@quirk(34, "tolerated")
async def no_samples(scene: Scene) -> None:
    async with scene.station() as station:
        number = await charging(station)
        await station.odd("MeterValues", meter(transactionId=number))
        data = [{"timestamp": TIME, "sampledValue": []}]
        await station.odd("StopTransaction", stop(number, transactionData=data))
        assert await kept(scene, number, [], [])
        [found] = await scene.transactions()
        assert found["meter_stop"] == 900


@quirk(35, "repaired", "item_left_out", strict="PropertyConstraintViolation")
async def wrong_context(scene: Scene) -> None:
    """The other samples are read, and the message is kept unchanged, with the unreadable sample."""
    bad = {"value": "16", "context": "Sample.Alfen"}
    async with scene.station() as station:
        number = await charging(station)
        await station.odd("MeterValues", meter(GOOD, bad, transactionId=number))
        assert await kept(scene, number, [GOOD, bad])


@quirk(36, "repaired", "item_left_out", "null_for_absent", strict="PropertyConstraintViolation")
async def wrong_units(scene: Scene) -> None:
    hertz = {"value": "50", "measurand": "Frequency", "unit": "Hertz"}
    bad = [{"value": "1", "unit": "Watts"}, {"value": "2", "unit": ""}]
    async with scene.station() as station:
        number = await charging(station)
        await station.call("MeterValues", meter(hertz, transactionId=number))
        await station.odd("MeterValues", meter(GOOD, *bad, transactionId=number))
        await station.odd("MeterValues", meter({"value": "3", "unit": None}, transactionId=number))
        assert await kept(scene, number, [hertz], [GOOD, *bad], [{"value": "3"}])


@quirk(37, "repaired", "unknown_enum", strict="PropertyConstraintViolation")
async def error_code_error(scene: Scene) -> None:
    async with scene.station() as station:
        await station.odd("StatusNotification", status(status="Faulted", errorCode="Error"))
        found = (await scene.connectors())[1]
        assert (found["status"], found["error_code"]) == ("Faulted", "OtherError")


@quirk(38, "repaired", "object_for_list", strict="TypeConstraintViolation")
async def object_for_list(scene: Scene) -> None:
    """A single object is read as a list of one object. Signed data of 4,000 characters is kept in full."""
    signed = {"value": "0A" * 2000, "format": "SignedData"}
    async with scene.station() as station:
        number = await charging(station)
        await station.call("MeterValues", meter(signed, transactionId=number))
        one = {"timestamp": TIME, "sampledValue": GOOD}
        await station.odd("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": one})
        assert await kept(scene, number, [signed], [GOOD])


@quirk(39, "tolerated")
async def phases_of_a_current(scene: Scene) -> None:
    odd = {"value": "16", "measurand": "Current.Import", "phase": "L1-N", "unit": "A"}
    async with scene.station() as station:
        number = await charging(station)
        await station.odd("MeterValues", meter(odd, transactionId=number))
        assert await kept(scene, number, [odd])


@quirk(
    40,
    "repaired",
    "required_absent",
    "text_for_boolean",
    strict="the command ends with OccurenceConstraintViolation",
    strict_faults=("answer_invalid",),
)
async def configuration_values(scene: Scene) -> None:
    """Quotes, spaces and the case of keys belong to the charge point and are shown unchanged."""
    told = [
        {"key": "meterValuesSampledData", "value": ' "Energy.Active.Import.Register, W" '},
        {"key": "Empty", "value": "", "readonly": "False"},
    ]
    async with scene.station(lambda _action, _payload: {"configurationKey": told}):
        answer = await scene.command("GetConfiguration", {})
        if scene.strict:
            assert (answer.status_code, answer.json()["code"]) == (502, "OccurenceConstraintViolation")
            return
        assert answer.status_code == 200
        keys = answer.json()["response"]["configurationKey"]
        assert [(one["key"], one["value"]) for one in keys] == [(one["key"], one["value"]) for one in told]
        assert [one["readonly"] for one in keys] == [False, False]


@quirk(41, "tolerated", "not_json", "answer_invalid")
async def answers_no_json(scene: Scene) -> None:
    """Only the command with the unreadable answer fails, and it fails at once."""
    async with scene.station(lambda _action, _payload: None) as station:
        answers: list[Any] = []

        async def ask() -> None:
            answers.append(await scene.command("GetConfiguration", {"key": ["MeterValuesSampledData"]}))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await station.peer.wait_asked()
            id_ = station.peer.asked[0][0]
            broken = f'[3,"{id_}",{{"configurationKey":[{{"key":"X","value":"Current,Power"x"}}]}}]'
            await station.peer.connection.send(broken.encode())
        [answer] = answers
        assert (answer.status_code, answer.json()["code"]) == (502, "FormationViolation")


@quirk(42, "not detectable")
async def reboots_when_asked(scene: Scene) -> None:
    """A read of its configuration reboots this charge point, so csms reads it only for an operator."""
    async with scene.station() as station:
        await station.call("BootNotification", BOOT)
        number = await charging(station)
        await station.call("StatusNotification", status(status="Charging"))
        await station.call("MeterValues", meter(GOOD, transactionId=number))
        await station.call("StopTransaction", stop(number))
        await station.call("Heartbeat", {})
        answer = await scene.command(
            "ChangeConfiguration", {"key": "MeterValuesSampledData", "value": "A,B,C"}
        )
        assert answer.status_code == 200
        assert [action for _, action, _ in station.peer.asked] == ["ChangeConfiguration"]
    async with scene.station() as again:
        assert again.peer.asked == []
