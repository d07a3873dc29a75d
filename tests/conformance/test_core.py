"""Core: booting, charging, tags, configuration and remote control."""

from datetime import datetime, timedelta

import pytest

from gateway.config import BootConfig
from tests.conformance.charge_point import CONNECTORS, now
from tests.conformance.laboratory import BLOCKED, EXPIRED, PAST, UNKNOWN, VALID, Laboratory
from tests.conformance.station import Json

ACCEPTED = {"status": "Accepted"}
REJECTED = {"status": "Rejected"}


async def test_tc_001_a_cold_boot_is_accepted_and_the_connectors_become_available(lab: Laboratory) -> None:
    async with lab.connected() as cp:
        booted = await cp.boot()
        longest = BootConfig().heartbeat_interval_s
        assert longest * 0.9 <= booted["interval"] <= longest  # OCPP 1.6 names no interval (4.2).
        await cp.available()
        cp.check_time((await cp.call("Heartbeat", {}))["currentTime"])
        record = await lab.read()
        assert record["connection"]["online"] is True
        assert (record["boot"]["status"], record["boot"]["data"]) == ("Accepted", cp.itself)
        assert {each["connector_id"]: each["status"] for each in record["connectors"]} == dict.fromkeys(
            range(CONNECTORS + 1), "Available"
        )


# --- Charging ---


async def test_tc_003_a_driver_plugs_in_first_and_then_starts_a_transaction(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await cp.status(1, "Preparing")
        await cp.authorize(VALID)
        started = await cp.start(VALID, meter=1234)
        await cp.status(1, "Charging")
        kept = await lab.transaction(started["transactionId"])
        assert (kept["connector_id"], kept["id_tag"], kept["meter_start"]) == (1, VALID, 1234)
        assert kept["stopped_at"] is None


async def test_tc_004_1_a_driver_presents_the_id_tag_first_and_then_starts_a_transaction(
    lab: Laboratory,
) -> None:
    async with lab.booted() as cp:
        first = await cp.charge(VALID)
        await cp.end(first, "Local", tag=VALID)
        second = await cp.charge(VALID, meter=5000)
        assert second != first
        assert (await lab.transaction(first))["stopped_at"] is not None
        assert (await lab.transaction(second))["stopped_at"] is None


async def test_tc_004_2_no_transaction_starts_if_the_cable_is_not_plugged_in_before_the_timeout(
    lab: Laboratory,
) -> None:
    async with lab.booted() as cp:
        await cp.authorize(VALID)
        await cp.status(1, "Preparing")
        await cp.status(1, "Available")
        assert await lab.transactions() == []


async def test_tc_005_1_a_disconnected_cable_at_the_car_ends_the_transaction(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        transaction = await cp.charge(VALID)
        await cp.status(1, "SuspendedEV")
        await cp.end(transaction, "EVDisconnected")
        kept = await lab.transaction(transaction)
        assert (kept["reason"], kept["meter_stop"]) == ("EVDisconnected", 5000)
        assert await lab.status(1) == "Available"


async def test_tc_007_a_transaction_starts_with_an_id_tag_from_the_cache_of_the_charge_point(
    lab: Laboratory,
) -> None:
    async with lab.booted() as cp:
        await cp.status(1, "Preparing")
        await cp.start(VALID)
        await cp.status(1, "Charging")


# --- Remote start and stop ---


async def test_tc_010_a_remote_start_with_the_cable_plugged_in_first_starts_a_transaction(
    lab: Laboratory,
) -> None:
    async with lab.booted() as cp:
        await cp.status(1, "Preparing")
        asked = {"idTag": VALID, "connectorId": 1}
        done = await lab.command(cp, "RemoteStartTransaction", asked, ACCEPTED)
        await cp.authorize(VALID)
        started = await cp.start(VALID)
        await cp.status(1, "Charging")
        became = (await lab.get(f"/commands/{done.command['id']}"))["transaction_id"]
        assert became == f"{lab.id}.{started['transactionId']}"


async def test_tc_011_1_a_remote_start_before_the_cable_is_plugged_in_starts_a_transaction(
    lab: Laboratory,
) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "RemoteStartTransaction", {"idTag": VALID}, ACCEPTED)
        await cp.charge(VALID)


async def test_tc_011_2_a_remote_start_without_a_plugged_in_cable_ends_without_a_transaction(
    lab: Laboratory,
) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "RemoteStartTransaction", {"idTag": VALID, "connectorId": 1}, ACCEPTED)
        await cp.authorize(VALID)
        await cp.status(1, "Preparing")
        await cp.status(1, "Available")
        assert await lab.transactions() == []


async def test_tc_012_a_remote_stop_ends_the_transaction(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        transaction = await cp.charge(VALID)
        await lab.command(cp, "RemoteStopTransaction", {"transactionId": transaction}, ACCEPTED)
        await cp.end(transaction, "Remote")
        kept = await lab.transaction(transaction)
        assert kept["reason"] == "Remote"
        assert kept["stopped_at"] is not None


async def test_tc_026_the_charge_point_rejects_a_remote_start(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "RemoteStartTransaction", {"idTag": VALID, "connectorId": 1}, REJECTED)


async def test_tc_028_the_charge_point_rejects_a_remote_stop(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        transaction = await cp.charge(VALID)
        for asked in (transaction + 1, transaction, -1, 0, 2**31 - 1):
            await lab.command(cp, "RemoteStopTransaction", {"transactionId": asked}, REJECTED)
        assert (await lab.transaction(transaction))["stopped_at"] is None


# --- Reset and unlock ---


async def _reset(lab: Laboratory, kind: str) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "Reset", {"type": kind}, ACCEPTED)
    async with lab.connected() as cp:
        await cp.cold_boot()
        assert (await lab.read())["boot"]["status"] == "Accepted"


async def test_tc_013_a_hard_reset_restarts_the_charge_point(lab: Laboratory) -> None:
    await _reset(lab, "Hard")


async def test_tc_014_a_soft_reset_restarts_the_charge_point(lab: Laboratory) -> None:
    await _reset(lab, "Soft")


async def test_tc_017_1_the_charge_point_unlocks_a_connector_with_a_detachable_cable(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "UnlockConnector", {"connectorId": 1}, {"status": "Unlocked"})


async def test_tc_017_2_a_charge_point_with_a_fixed_cable_may_refuse_to_unlock_it(
    lab: Laboratory,
) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "UnlockConnector", {"connectorId": 1}, {"status": "NotSupported"})


async def test_tc_018_1_the_charge_point_unlocks_a_connector_during_a_transaction(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        transaction = await cp.charge(VALID)
        await lab.command(cp, "UnlockConnector", {"connectorId": 1}, {"status": "Unlocked"})
        await cp.status(1, "Finishing")
        await cp.stop(transaction, "UnlockCommand")
        await cp.status(1, "Available")
        assert (await lab.transaction(transaction))["reason"] == "UnlockCommand"


async def test_tc_030_the_charge_point_fails_to_unlock_a_connector(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "UnlockConnector", {"connectorId": 1}, {"status": "UnlockFailed"})


async def test_tc_031_the_charge_point_answers_not_supported_to_an_unlock_of_an_unknown_connector(
    lab: Laboratory,
) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "UnlockConnector", {"connectorId": 99}, {"status": "NotSupported"})


# --- Configuration ---


def _setting(key: str, value: str, *, readonly: bool = False) -> Json:
    return {"key": key, "readonly": readonly, "value": value}


async def test_tc_019_1_the_operator_gets_all_configuration_keys(lab: Laboratory) -> None:
    settings = [
        _setting("HeartbeatInterval", "300"),
        _setting("NumberOfConnectors", "2", readonly=True),
        _setting("SupportedFeatureProfiles", "Core,SmartCharging", readonly=True),
    ]
    async with lab.booted() as cp:
        both: tuple[Json, ...] = {}, {"key": []}
        for asked in both:
            done = await lab.command(cp, "GetConfiguration", asked, {"configurationKey": settings})
            assert done.heard.payload in ({}, {"key": []})
        known = {each["key"]: each["value"] for each in (await lab.read("/configuration"))["keys"]}
        assert known == {each["key"]: each["value"] for each in settings}


async def test_tc_019_2_the_operator_gets_one_configuration_key(lab: Laboratory) -> None:
    asked = {"key": ["SupportedFeatureProfiles"]}
    answer = {"configurationKey": [_setting("SupportedFeatureProfiles", "Core", readonly=True)]}
    async with lab.booted() as cp:
        done = await lab.command(cp, "GetConfiguration", asked, answer)
        assert done.heard.payload == asked


async def test_tc_021_the_operator_changes_a_configuration_key(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        asked = {"key": "MeterValueSampleInterval", "value": "60"}
        done = await lab.command(cp, "ChangeConfiguration", asked, ACCEPTED)
        assert done.heard.payload == asked
        [known] = (await lab.read("/configuration"))["keys"]
        assert (known["key"], known["value"]) == ("MeterValueSampleInterval", "60")


async def test_tc_040_1_a_change_of_an_unknown_configuration_key_is_answered_not_supported(
    lab: Laboratory,
) -> None:
    async with lab.booted() as cp:
        asked = {"key": "NoSuchKeyAnywhere", "value": "1"}
        await lab.command(cp, "ChangeConfiguration", asked, {"status": "NotSupported"})
        [known] = (await lab.read("/configuration"))["keys"]
        assert (known["key"], known["supported"]) == ("NoSuchKeyAnywhere", False)


@pytest.mark.parametrize("value", ["-1", "often", ""])
async def test_tc_040_2_a_change_to_an_invalid_value_is_rejected(lab: Laboratory, value: str) -> None:
    async with lab.booted() as cp:
        asked = {"key": "MeterValueSampleInterval", "value": value}
        await lab.command(cp, "ChangeConfiguration", asked, REJECTED)


async def test_tc_061_the_operator_clears_the_cache_of_the_charge_point(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        done = await lab.command(cp, "ClearCache", {}, ACCEPTED)
        assert done.heard.payload == {}


# --- Tags ---


async def test_tc_023_1_an_unknown_id_tag_is_answered_with_the_status_invalid(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await cp.authorize(UNKNOWN, "Invalid")


async def test_tc_023_2_an_expired_id_tag_is_answered_with_the_status_expired(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await cp.authorize(EXPIRED, "Expired")
        await cp.authorize(PAST, "Expired")


async def test_tc_023_3_a_blocked_id_tag_is_answered_with_the_status_blocked(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await cp.authorize(BLOCKED, "Blocked")


async def test_tc_024_a_failure_of_the_connector_lock_is_shown_to_the_operator(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await cp.authorize(VALID)
        await cp.status(1, "Preparing")
        await cp.status(1, "Faulted", "ConnectorLockFailure")
        [connector] = [each for each in (await lab.read())["connectors"] if each["connector_id"] == 1]
        assert (connector["status"], connector["error_code"]) == ("Faulted", "ConnectorLockFailure")


# --- Power failure and offline ---


async def test_tc_032_1_a_transaction_is_stopped_after_a_power_failure(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        transaction = await cp.charge(VALID)
        await cp.drop()
    async with lab.connected() as cp:
        await cp.boot()
        assert (await lab.transaction(transaction))["stopped_at"] is None
        await cp.status(1, "Finishing")
        for connector in range(CONNECTORS + 1):
            if connector != 1:
                await cp.status(connector, "Available")
        await cp.stop(transaction, "PowerLoss", meter=4321)
        [kept] = await lab.transactions()
        assert (kept["ocpp_transaction_id"], kept["reason"]) == (transaction, "PowerLoss")
        assert (kept["meter_stop"], kept["energy_wh"]) == (4321, 3321)


async def test_tc_037_1_a_transaction_that_started_offline_with_a_valid_id_tag_is_stored(
    lab: Laboratory,
) -> None:
    async with lab.booted():
        pass
    began = now(minutes=-5)
    async with lab.connected() as cp:
        started = await cp.start(VALID, timestamp=began)
        await cp.status(1, "Charging")
        kept = await lab.transaction(started["transactionId"])
        assert _same_moment(kept["started_at"], began)
        # A charge point repeats a call if it does not know whether the call arrived (OCPP-J 3.1, errata
        # 2025-04).
        assert await cp.start(VALID, timestamp=began) == started
        assert len(await lab.transactions()) == 1


async def test_tc_037_3_a_transaction_that_started_offline_with_an_invalid_id_tag_is_stored_and_then_stopped(
    lab: Laboratory,
) -> None:
    async with lab.booted():
        pass
    async with lab.connected() as cp:
        started = await cp.start(UNKNOWN, "Invalid", timestamp=now(minutes=-5))
        await cp.status(1, "Charging")
        await cp.stop(started["transactionId"], "DeAuthorized")
        await cp.status(1, "Finishing")
        kept = await lab.transaction(started["transactionId"])
        assert (kept["id_tag"], kept["reason"]) == (UNKNOWN, "DeAuthorized")


async def test_tc_039_a_transaction_that_started_and_stopped_offline_is_stored(lab: Laboratory) -> None:
    async with lab.booted():
        pass
    began, ended = now(minutes=-50), now(minutes=-10)
    async with lab.connected() as cp:
        started = await cp.start(VALID, timestamp=began)
        await cp.stop(started["transactionId"], "Local", tag=VALID, timestamp=ended)
        kept = await lab.transaction(started["transactionId"])
        assert _same_moment(kept["started_at"], began)
        assert _same_moment(kept["stopped_at"], ended)
        assert (kept["reason"], kept["stop_id_tag"], kept["energy_wh"]) == ("Local", VALID, 4000)


def _same_moment(one: str, other: str) -> bool:
    return abs(datetime.fromisoformat(one) - datetime.fromisoformat(other)) < timedelta(milliseconds=1)


async def test_a_stop_transaction_request_for_an_unknown_transaction_is_answered(lab: Laboratory) -> None:
    """StopTransaction cannot be refused (section 4.10, errata on the id -1).

    None of the 77 cases tests this.
    """
    async with lab.booted() as cp:
        for unknown in (-1, 0, 4711):
            assert await cp.stop(unknown, "PowerLoss", meter=unknown + 100) == {}
        assert await lab.transactions() == []


# --- Data transfer ---


async def test_tc_064_a_data_transfer_of_an_unknown_vendor_is_answered_with_the_status_unknown_vendor_id(
    lab: Laboratory,
) -> None:
    async with lab.booted() as cp:
        asked = {"vendorId": "org.octt.unknown", "messageId": "m", "data": "säß"}
        assert await cp.call("DataTransfer", asked) == {"status": "UnknownVendorId"}
