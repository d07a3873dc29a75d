"""Smart Charging: the fields that csms sends, according to the cases of 2024-04 (D24) and 2025-06 (D25)."""

from typing import Any

import pytest

from tests.conformance.charge_point import ChargePoint, now
from tests.conformance.laboratory import VALID, Laboratory
from tests.conformance.station import Json

ACCEPTED = {"status": "Accepted"}
DURATION = 300
STACK = 0


def profile(purpose: str, id_: int = 1, *, kind: str = "Absolute", stack: int = STACK, **more: Any) -> Json:
    """Make a profile with the limit of the test tool's configuration, 6 A on three phases from second 0."""
    schedule: Json = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0, "numberPhases": 3}],
    }
    found: Json = {
        "chargingProfileId": id_,
        "stackLevel": stack,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": schedule,
    }
    if kind == "Absolute":
        schedule |= {"duration": DURATION, "startSchedule": now()}
        found |= {"validFrom": now(minutes=-1), "validTo": now(minutes=30)}
    return found | more


async def set_profile(lab: Laboratory, cp: ChargePoint, connector: int, wanted: Json) -> Json:
    asked = {"connectorId": connector, "csChargingProfiles": wanted}
    done = await lab.command(cp, "SetChargingProfile", asked, ACCEPTED)
    assert done.heard.payload["connectorId"] == connector
    found: Json = done.heard.payload["csChargingProfiles"]
    return found


async def installed(lab: Laboratory) -> dict[int, Json]:
    """Return the charge point's profiles by id, as an operator sees them."""
    items = (await lab.read("/charging-profiles"))["items"]
    return {each["charging_profile_id"]: each for each in items}


async def test_tc_056_a_tx_default_profile_is_sent_with_the_required_fields(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        sent = await set_profile(lab, cp, 1, profile("TxDefaultProfile"))
        assert (sent["chargingProfilePurpose"], sent["chargingProfileKind"]) == (
            "TxDefaultProfile",
            "Absolute",
        )
        assert sent.keys() >= {"validFrom", "validTo"}
        assert not sent.keys() & {"transactionId", "recurrencyKind"}
        schedule = sent["chargingSchedule"]
        assert (schedule["duration"], schedule["chargingRateUnit"]) == (DURATION, "A")
        assert "startSchedule" in schedule
        [period] = schedule["chargingSchedulePeriod"]
        assert (period["startPeriod"], period["limit"], period["numberPhases"]) == (0, 6, 3)
        in_watt = profile("TxDefaultProfile")
        in_watt["chargingSchedule"]["chargingRateUnit"] = "W"
        in_watt["chargingSchedule"]["chargingSchedulePeriod"] = [{"startPeriod": 0, "limit": 6000.0}]
        sent = await set_profile(lab, cp, 1, in_watt)
        assert sent["chargingSchedule"]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 6000}]
        kept = (await installed(lab))[1]
        assert (kept["purpose"], kept["connector_id"], kept["profile"]) == ("TxDefaultProfile", 1, in_watt)


@pytest.mark.parametrize("kind", ["Absolute", "Relative"])
async def test_tc_057_a_tx_profile_is_sent_with_the_required_fields_during_a_transaction(
    lab: Laboratory, kind: str
) -> None:
    async with lab.booted() as cp:
        transaction = await cp.charge(VALID)
        wanted = profile("TxProfile", kind=kind, transactionId=transaction)
        sent = await set_profile(lab, cp, 1, wanted)
        assert (sent["transactionId"], sent["chargingProfileKind"]) == (transaction, kind)
        assert "recurrencyKind" not in sent
        absolute = kind == "Absolute"
        assert (sent.keys() >= {"validFrom", "validTo"}) is absolute
        assert (sent["chargingSchedule"].keys() >= {"startSchedule", "duration"}) is absolute
        assert (await installed(lab))[1]["transaction_id"] == f"{lab.id}.{transaction}"
        await cp.end(transaction, "Local", tag=VALID)
        assert await installed(lab) == {}


@pytest.mark.parametrize("kind", ["Relative", "Absolute"])
async def test_tc_059_a_remote_start_is_sent_with_a_charging_profile(lab: Laboratory, kind: str) -> None:
    async with lab.booted() as cp:
        asked = {"idTag": VALID, "connectorId": 1, "chargingProfile": profile("TxProfile", kind=kind)}
        done = await lab.command(cp, "RemoteStartTransaction", asked, ACCEPTED)
        sent = done.heard.payload["chargingProfile"]
        assert sent["chargingProfilePurpose"] == "TxProfile"
        assert not sent.keys() & {"transactionId", "recurrencyKind"}
        assert sent["chargingSchedule"]["chargingSchedulePeriod"][0]["startPeriod"] == 0
        assert ("startSchedule" in sent["chargingSchedule"]) is (kind == "Absolute")
        transaction = await cp.charge(VALID)
        assert (await installed(lab))[1]["transaction_id"] == f"{lab.id}.{transaction}"


async def test_tc_066_the_charge_point_reports_its_composite_schedule(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        asked = {"connectorId": 1, "duration": DURATION, "chargingRateUnit": "A"}
        schedule = {
            "duration": DURATION,
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.1, "numberPhases": 3}],
        }
        answer = ACCEPTED | {"connectorId": 1, "scheduleStart": now(), "chargingSchedule": schedule}
        done = await lab.command(cp, "GetCompositeSchedule", asked, answer)
        assert done.heard.payload == asked


async def _clear(lab: Laboratory, cp: ChargePoint, ids: tuple[int, int, int], stack: int) -> None:
    """Clear the first profile by its id, the second by its properties, and then all that are left."""
    by_properties = {"connectorId": 1, "chargingProfilePurpose": "TxDefaultProfile", "stackLevel": stack}
    wanted: tuple[Json, ...] = {"id": ids[0]}, by_properties, {}
    left = set(ids)
    assert (await installed(lab)).keys() == left
    for asked, gone in zip(wanted, ids, strict=True):
        done = await lab.command(cp, "ClearChargingProfile", asked, ACCEPTED)
        assert done.heard.payload == asked
        left.remove(gone)
        assert (await installed(lab)).keys() == left


async def test_tc_067_the_operator_clears_charging_profiles(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        # Edition 2024-04: three default profiles of different levels.
        for level in range(3):
            await set_profile(lab, cp, 1, profile("TxDefaultProfile", level + 1, stack=STACK + level))
        await _clear(lab, cp, (1, 2, 3), STACK + 1)
        # Edition 2025-06: one profile of each purpose, during a transaction.
        transaction = await cp.charge(VALID)
        await set_profile(lab, cp, 0, profile("ChargePointMaxProfile", 11))
        await set_profile(lab, cp, 1, profile("TxDefaultProfile", 12))
        await set_profile(lab, cp, 1, profile("TxProfile", 13, transactionId=transaction))
        await _clear(lab, cp, (11, 12, 13), STACK)
