"""Optional feature: local authorisation list."""

from typing import Any

import pytest

from tests.conformance.charge_point import ChargePoint
from tests.conformance.laboratory import SECOND, VALID, Done, Laboratory
from tests.conformance.station import Json

INFO: Json = {"status": "Accepted", "expiryDate": "2099-12-31T23:59:59Z"}


def entry(tag: str, **info: Any) -> Json:
    return {"idTag": tag, "idTagInfo": INFO | info}


FULL = {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [entry(VALID)]}


async def send(lab: Laboratory, cp: ChargePoint, asked: Json, status: str) -> Done:
    return await lab.command(cp, "SendLocalList", asked, {"status": status})


@pytest.mark.parametrize("version", [-1])
async def test_tc_042_1_version_not_supported(lab: Laboratory, version: int) -> None:
    async with lab.booted() as cp:
        done = await lab.command(cp, "GetLocalListVersion", {}, {"listVersion": version})
        assert done.heard.payload == {}


async def test_tc_042_2_version_empty(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "GetLocalListVersion", {}, {"listVersion": 0})


async def test_tc_043_1_not_supported(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await send(lab, cp, FULL, "NotSupported")


async def test_tc_043_3_failed(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await send(lab, cp, FULL, "Failed")


async def test_tc_043_4_full(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        done = await send(lab, cp, FULL, "Accepted")
        entries = {each["idTag"]: each for each in done.heard.payload["localAuthorizationList"]}
        assert VALID in entries
        assert all(each["idTagInfo"]["status"] for each in entries.values())


async def test_tc_043_5_differential(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await send(lab, cp, FULL, "Accepted")
        await lab.command(cp, "GetLocalListVersion", {}, {"listVersion": 1})
        new = [entry(SECOND, parentIdTag="OCTT-PARENT")]
        asked = {"listVersion": 2, "updateType": "Differential", "localAuthorizationList": new}
        done = await send(lab, cp, asked, "Accepted")
        assert done.heard.payload["updateType"] == "Differential"
        assert done.heard.payload["listVersion"] > 1
        assert [each["idTag"] for each in done.heard.payload["localAuthorizationList"]] == [SECOND]
        assert done.heard.payload["localAuthorizationList"][0]["idTagInfo"]["status"] == "Accepted"
