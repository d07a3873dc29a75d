"""If a change of a configuration key may not work, the answer has a warning. csms sends the change anyway."""

from typing import Any

import pytest

from state.charge_points import configuration
from state.charge_points.configuration import ReportedKey
from state.keys import ChargePointKeys
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import connected

KEYS = ChargePointKeys(TENANT, "CP-1")
PATH = f"/v1/tenants/{TENANT}/charge-points/CP-1/commands"
SECRET = "3F9A61C07BE2D45814AA0C9D7E52B8F1"


async def read_warnings(api: Api, action: str, body: Any) -> list[str]:
    response = await api.client.post(f"{PATH}/{action}", json=body)
    assert response.status_code == 200, response.text
    assert response.json()["status"] == "answered"
    found: list[str] = response.json()["warnings"]
    return found


async def change(api: Api, key: str, value: str) -> list[str]:
    return await read_warnings(api, "ChangeConfiguration", {"key": key, "value": value})


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("HeartbeatInterval", "60", None),
        ("Vendor.Key", "", None),
        ("HeartbeatInterval", "soon", "must be a whole number"),
        ("AuthorizationKey", SECRET, None),
        ("AuthorizationKey", SECRET[:-1], "32 to 40 digits"),
        ("NumberOfConnectors", "3", "The specification says that NumberOfConnectors is read-only"),
    ],
)
async def test_a_configuration_change_is_checked_against_the_specification_if_no_keys_were_reported(
    api: Api, key: str, value: str, said: str | None
) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        found = await change(api, key, value)
        assert len(found) == (said is not None)
        assert said is None or said in found[0]
        assert value == "" or value not in "".join(found)


async def test_a_configuration_change_is_checked_against_the_keys_that_the_charge_point_reported(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        told = [
            ReportedKey("HeartbeatInterval", "60", readonly=True),
            ReportedKey("NumberOfConnectors", "2", readonly=False),
            ReportedKey("MeterValuesSampledData", "Voltage", readonly=False),
            ReportedKey("metervaluessampleddatamaxlength", "2", readonly=True),
        ]
        await configuration.learn(api.store, KEYS, told, [], complete=True)
        await configuration.change(api.store, KEYS, "CpoName", "x", "NotSupported")
        (readonly,) = await change(api, "heartbeatinterval", "60")
        assert readonly.startswith("The charge point said on 2")
        assert readonly.endswith("that heartbeatinterval is read-only.")
        # The report of the charge point takes precedence over the specification.
        assert await change(api, "NumberOfConnectors", "2") == []
        assert "has no key CpoName" in (await change(api, "CpoName", "x"))[0]
        assert "The list of all keys" in (await change(api, "ResetRetries", "1"))[0]
        assert await change(api, "AuthorizationKey", SECRET) == []
        assert await change(api, "MeterValuesSampledData", "Voltage,SoC") == []
        (many,) = await change(api, "MeterValuesSampledData", "Voltage,SoC,Temperature")
        assert "more items than the charge point takes: 2" in many
        assert "MeterValuesSampledDataMaxLength" in many


async def test_a_configuration_change_has_a_warning_if_earlier_changes_still_wait_for_a_reboot(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        await configuration.change(api.store, KEYS, "ConnectionTimeOut", "60", "RebootRequired")
        await configuration.change(api.store, KEYS, "Vendor.Key", "60", "RebootRequired")
        assert await change(api, "HeartbeatInterval", "60") == [
            "Earlier changes wait for the next boot of the charge point: ConnectionTimeOut, Vendor.Key."
        ]


async def test_a_request_for_more_keys_than_the_charge_point_can_return_in_one_answer_has_a_warning(
    api: Api,
) -> None:
    async with connected(api.store, TENANT, "CP-1"):
        three = {"key": ["A", "B", "C"]}
        assert await read_warnings(api, "GetConfiguration", three) == []
        told = [ReportedKey("GetConfigurationMaxKeys", "2", readonly=True)]
        await configuration.learn(api.store, KEYS, told, [], complete=True)
        (said,) = await read_warnings(api, "GetConfiguration", three)
        assert "at most 2 keys at once" in said
        fewer: list[dict[str, list[str]]] = [{}, {"key": []}, {"key": ["A", "B"]}]
        for body in fewer:
            assert await read_warnings(api, "GetConfiguration", body) == []
