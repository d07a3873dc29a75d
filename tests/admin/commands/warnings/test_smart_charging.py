"""Warnings about smart charging commands, which depend on stored profiles, transactions and configuration."""

from typing import Any

import pytest

from state import transactions
from state.charge_points import configuration, connectors
from state.charge_points.configuration import ReportedKey
from state.charge_points.connectors import Connector
from state.features import charging_profiles
from state.features.charging_profiles import Slot
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from tests.admin.api import TENANT, Api
from tests.admin.charging_profiles import a_profile
from tests.admin.fake_session import connected
from tests.support.transactions import ANSWER, a_start

KEYS = ChargePointKeys(TENANT, "CP-1")
PATH = f"/v1/tenants/{TENANT}/charge-points/CP-1/commands"
SET, CLEAR, COMPOSITE = "SetChargingProfile", "ClearChargingProfile", "GetCompositeSchedule"


async def read_warnings(api: Api, action: str, body: Any) -> list[str]:
    """Send a command, check that the charge point gets it, and return the warnings."""
    response = await api.client.post(f"{PATH}/{action}", json=body)
    assert response.status_code == 200, response.text
    assert response.json()["payload"] == body
    found: list[str] = response.json()["warnings"]
    return found


async def install(api: Api, id_: int, connector: int = 1, level: int = 0) -> None:
    slot = Slot(connector, "TxDefaultProfile", level)
    await charging_profiles.install(api.store, KEYS, id_, slot, b"{}")


async def report_keys(api: Api, **values: str) -> None:
    keys = [ReportedKey(key, value, readonly=True) for key, value in values.items()]
    await configuration.learn(api.store, KEYS, keys, (), complete=True)


async def report_two_connectors(api: Api, lease: Lease) -> None:
    for number in (0, 1, 2):
        connector = Connector(connector_id=number, status="Available", error_code="NoError", received_ms=1)
        await connectors.record_status(api.store, lease, connector)


def tx(**changes: Any) -> dict[str, Any]:
    payload = a_profile(1, chargingProfilePurpose="TxProfile", chargingProfileKind="Relative", **changes)
    del payload["csChargingProfiles"]["chargingSchedule"]["startSchedule"]
    return payload


async def test_correct_charging_profiles_have_no_warnings(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        await report_two_connectors(api, session.lease)
        await report_keys(
            api, ChargeProfileMaxStackLevel="0", ChargingScheduleAllowedChargingRateUnit="Current,Power"
        )
        started = await transactions.start(api.store, session.lease, a_start(), ANSWER)
        assert await read_warnings(api, SET, a_profile(1)) == []
        assert await read_warnings(api, SET, tx(transactionId=started.id)) == []
        assert await read_warnings(api, COMPOSITE, {"connectorId": 0, "duration": 60}) == []
        asked = {"connectorId": 2, "duration": 60, "chargingRateUnit": "W"}
        assert await read_warnings(api, COMPOSITE, asked) == []
        await install(api, 4)
        for body in ({}, {"id": 4}, {"connectorId": 1, "stackLevel": 0}):
            assert await read_warnings(api, CLEAR, body) == []


async def test_a_charging_profile_that_breaks_a_rule_has_a_warning(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        assert await read_warnings(
            api, SET, a_profile(1, chargingProfilePurpose="ChargePointMaxProfile")
        ) == ["A ChargePointMaxProfile must be for connector 0."]


async def test_a_charging_profile_beyond_the_limits_in_the_reported_configuration_has_a_warning(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        await report_keys(
            api,
            ChargeProfileMaxStackLevel="1",
            ChargingScheduleAllowedChargingRateUnit="Power",
            ChargingScheduleMaxPeriods="1",
            ConnectorSwitch3to1PhaseSupported="false",
            MaxChargingProfilesInstalled="1",
        )
        await install(api, 7, connector=2)
        wrong = a_profile(1, (0, 6.0), (60, 7.0), stackLevel=2)
        wrong["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"][1]["numberPhases"] = 1
        found = await read_warnings(api, SET, wrong)
        for key in (
            "ChargeProfileMaxStackLevel",
            "ChargingScheduleAllowedChargingRateUnit",
            "ChargingScheduleMaxPeriods",
            "ConnectorSwitch3to1PhaseSupported",
            "MaxChargingProfilesInstalled",
        ):
            assert len([sentence for sentence in found if key in sentence]) == 1, key
        assert len(found) == 5
        asked = {"connectorId": 1, "duration": 60, "chargingRateUnit": "A"}
        [sentence] = await read_warnings(api, COMPOSITE, asked)
        assert "unit is Current, but" in sentence


@pytest.mark.parametrize("value", ["'Current,Power'", "A, W", " current ,POWER", '"W","A"'])
async def test_the_allowed_charging_rate_units_are_read_in_every_known_spelling(api: Api, value: str) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        await report_keys(api, ChargingScheduleAllowedChargingRateUnit=value)
        for unit in ("A", "W"):
            asked = {"connectorId": 0, "duration": 60, "chargingRateUnit": unit}
            assert await read_warnings(api, COMPOSITE, asked) == []


async def test_a_tx_profile_without_a_matching_transaction_has_a_warning(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        [sentence] = await read_warnings(api, SET, tx())
        assert "No known transaction runs on connector 1" in sentence
        started = await transactions.start(
            api.store, session.lease, a_start(received_ms=a_start().started_ms + 3_600_000), ANSWER
        )
        found = await read_warnings(api, SET, tx(transactionId=started.id + 1))
        assert len(found) == 2
        assert f"running transaction on connector 1 is {started.id}" in found[0]
        assert "began offline" in found[1]


async def test_a_warning_names_the_profiles_that_a_new_profile_would_replace_or_hide(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        await install(api, 1, connector=0)
        await install(api, 2)
        await install(api, 3, level=1)
        assert await read_warnings(api, SET, a_profile(1)) == [
            "The profile replaces those with id 1, 2, as far as csms knows."
        ]
        [sentence] = await read_warnings(api, SET, a_profile(9, stackLevel=2))
        assert "id 2, 3 has no effect" in sentence
        ending = a_profile(9, stackLevel=2)
        ending["csChargingProfiles"]["chargingSchedule"]["duration"] = 10**9
        assert await read_warnings(api, SET, ending) == []


async def test_a_command_that_names_an_unknown_connector_or_a_duration_of_zero_has_a_warning(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "CP-1") as session:
        await report_two_connectors(api, session.lease)
        for action, body in (
            (SET, a_profile(1, connector=3)),
            (COMPOSITE, {"connectorId": 3, "duration": 60}),
        ):
            [sentence] = await read_warnings(api, action, body)
            assert "has never reported connector 3" in sentence
        found = await read_warnings(api, COMPOSITE, {"connectorId": -1, "duration": 0})
        assert found == [
            "There can be no connector -1.",
            "The duration must be above 0, or the schedule is empty.",
        ]


async def test_a_command_that_clears_unknown_charging_profiles_has_a_warning(api: Api) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        nothing = "No known profile of the charge point matches, so it may answer Unknown."
        assert await read_warnings(api, CLEAR, {}) == [nothing]
        await install(api, 1)
        assert await read_warnings(api, CLEAR, {"stackLevel": 5}) == [nothing]
        assert await read_warnings(api, CLEAR, {"id": 1, "stackLevel": 5}) == [
            "The charge point ignores all other fields if there is an id."
        ]


async def test_the_rules_for_charging_profiles_also_apply_to_the_charging_profile_in_a_remote_start(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        await report_keys(api, ChargeProfileMaxStackLevel="1")
        profile = tx(stackLevel=2)["csChargingProfiles"]
        body = {"idTag": "X", "connectorId": 1, "chargingProfile": profile}
        found = await read_warnings(api, "RemoteStartTransaction", body)
        assert len(found) == 2
        assert "ChargeProfileMaxStackLevel" in found[1]
