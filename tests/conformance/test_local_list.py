"""Optional feature: local authorisation list."""

from typing import Any

from tests.conformance.charge_point import ChargePoint
from tests.conformance.laboratory import SECOND, VALID, Done, Laboratory
from tests.conformance.station import Json

INFO: Json = {"status": "Accepted", "expiryDate": "2099-12-31T23:59:59Z"}


def entry(tag: str, **info: Any) -> Json:
    return {"idTag": tag, "idTagInfo": INFO | info}


FULL = {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [entry(VALID)]}


async def accepted(lab: Laboratory) -> tuple[int | None, list[str]]:
    """Return the version and the tags of the charge point's list, as an operator sees them."""
    found = await lab.read("/local-list/accepted")
    return found["list_version"], [each["id_tag"] for each in found["items"]]


async def send(lab: Laboratory, cp: ChargePoint, asked: Json, status: str) -> Done:
    return await lab.command(cp, "SendLocalList", asked, {"status": status})


async def test_tc_042_1_a_charge_point_without_local_lists_reports_the_list_version_minus_one(
    lab: Laboratory,
) -> None:
    async with lab.booted() as cp:
        done = await lab.command(cp, "GetLocalListVersion", {}, {"listVersion": -1})
        assert done.heard.payload == {}
        assert (await lab.read("/local-list/accepted"))["reported"]["list_version"] == -1


async def test_tc_042_2_a_charge_point_with_an_empty_local_list_reports_the_list_version_zero(
    lab: Laboratory,
) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "GetLocalListVersion", {}, {"listVersion": 0})
        assert (await lab.read("/local-list/accepted"))["reported"]["list_version"] == 0


async def test_tc_043_1_the_charge_point_answers_a_local_list_update_with_the_status_not_supported(
    lab: Laboratory,
) -> None:
    async with lab.booted() as cp:
        await send(lab, cp, FULL, "NotSupported")
        assert await accepted(lab) == (None, [])


async def test_tc_043_3_the_charge_point_answers_a_local_list_update_with_the_status_failed(
    lab: Laboratory,
) -> None:
    async with lab.booted() as cp:
        await send(lab, cp, FULL, "Failed")
        assert await accepted(lab) == (None, [])


async def test_tc_043_4_a_full_update_replaces_the_local_list(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        done = await send(lab, cp, FULL, "Accepted")
        entries = {each["idTag"]: each for each in done.heard.payload["localAuthorizationList"]}
        assert VALID in entries
        assert all(each["idTagInfo"]["status"] for each in entries.values())
        assert await accepted(lab) == (1, [VALID])


async def test_tc_043_5_a_differential_update_changes_the_local_list(lab: Laboratory) -> None:
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
        assert await accepted(lab) == (2, [SECOND, VALID])


async def test_a_differential_update_of_the_local_list_contains_only_the_new_id_tag(lab: Laboratory) -> None:
    """This is a part of TC_043_5: the central system computes the difference of the lists."""
    path = f"/charge-points/{lab.id}/local-list"
    status = {"status": "Accepted"}

    async def sent(cp: ChargePoint, type_: str, version: int, tag: str) -> None:
        """Make a list of this version with this one tag."""
        entries = [{"idTag": tag, "idTagInfo": status}]
        due = {"listVersion": version, "updateType": type_, "localAuthorizationList": entries}
        body = {"type": type_.lower()}
        await lab.operate(cp, "POST", f"{path}/send", "SendLocalList", due, status, body=body)

    async with lab.booted() as cp:
        (await lab.api.put(path, json={"entries": [{"id_tag": VALID}]})).raise_for_status()
        await sent(cp, "Full", 1, VALID)
        (await lab.api.patch(path, json={"put": [{"id_tag": SECOND}]})).raise_for_status()
        await sent(cp, "Differential", 2, SECOND)
        assert await accepted(lab) == (2, [SECOND, VALID])
