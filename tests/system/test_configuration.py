"""A charge point's answer about its configuration is stored before the operator gets it."""

from typing import Any

import trio

from tests.support.charge_point_peer import charge_point, in_one_breath
from tests.system.central import Central, Process

type Gateways = tuple[Process, Process]

BOOT = {"chargePointVendor": "Acme", "chargePointModel": "Bolt 22"}
SECRET = "5f3a9c17e2d04b86a1c97e30f45d2b68"
PATH = "/charge-points/cp/configuration"


class Settings:
    """Configuration keys of the charge point: some need a reboot, one is read-only, some are missing."""

    def __init__(self) -> None:
        self.values = {"HeartbeatInterval": "300", "NumberOfConnectors": "2", "ConnectionTimeOut": "30"}

    def __call__(self, action: str, payload: dict[str, Any]) -> Any:
        if action == "GetConfiguration":
            return self._told(payload.get("key") or list(self.values))
        key = payload["key"].lower()
        if key == "numberofconnectors":
            return {"status": "Rejected"}
        if key == "connectiontimeout":
            return {"status": "RebootRequired"}
        if key in {"heartbeatinterval", "authorizationkey"}:
            return {"status": "Accepted"}
        return {"status": "NotSupported"}

    def _told(self, wanted: list[str]) -> dict[str, Any]:
        known = [key for key in wanted if key in self.values]
        return {
            "configurationKey": [
                {"key": key, "readonly": key == "NumberOfConnectors", "value": self.values[key]}
                for key in known
            ],
            "unknownKey": [key for key in wanted if key not in self.values],
        }


async def test_the_stored_configuration_is_updated_by_each_report_and_each_change_and_the_next_boot(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp"), Settings()) as peer:

            async def known() -> dict[str, Any]:
                found = (await api.get(PATH)).json()
                return {
                    one["key"]: (one["value"], one["supported"], one["pending"] and one["pending"]["value"])
                    for one in found["keys"]
                }

            await peer.call("BootNotification", BOOT)
            refreshed = await api.post(f"{PATH}/refresh")
            assert refreshed.status_code == 200, refreshed.text
            assert refreshed.json()["configuration"]["complete_at"] is not None
            assert await known() == {
                "ConnectionTimeOut": ("30", True, None),
                "HeartbeatInterval": ("300", True, None),
                "NumberOfConnectors": ("2", True, None),
            }
            changed = await api.patch(
                PATH,
                params={"continue": "true"},
                json={
                    "heartbeatinterval": "60",
                    "ConnectionTimeOut": "90",
                    "NumberOfConnectors": "3",
                    "Nothing": "1",
                    "AuthorizationKey": SECRET,
                },
            )
            assert changed.status_code == 207, changed.text
            assert [one["status"] for one in changed.json()["changes"]] == [
                *("Accepted", "RebootRequired", "Rejected", "NotSupported", "Accepted")
            ]
            after = {
                "AuthorizationKey": ("***", True, None),
                "ConnectionTimeOut": ("30", True, "90"),
                "HeartbeatInterval": ("60", True, None),
                "Nothing": (None, False, None),
                "NumberOfConnectors": ("2", True, None),
            }
            assert await known() == after
            assert SECRET not in changed.text + (await api.get(PATH)).text
            assert (await api.get(PATH)).json()["reboot_required_since"] is not None
            # The plain GetConfiguration command updates the stored keys too.
            asked = await api.post(
                "/charge-points/cp/commands/GetConfiguration", json={"key": ["HeartbeatInterval", "Other"]}
            )
            assert asked.status_code == 200, asked.text
            after |= {"HeartbeatInterval": ("300", True, None), "Other": (None, False, None)}
            assert await known() == after
            await peer.call("BootNotification", BOOT)
            assert await known() == after | {"ConnectionTimeOut": ("90", True, None)}
            assert (await api.get(PATH)).json()["reboot_required_since"] is None


async def test_a_change_that_needs_a_reboot_takes_effect_even_if_the_boot_follows_right_after_the_answer(
    central: Central, gateways: Gateways
) -> None:
    """A change that needs a reboot takes effect, although its answer was not yet stored when the charge point
    rebooted.
    """
    tenant, commands = central.tenant(), "/charge-points/cp/commands"
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            charge_point(tenant.url(gateways[0], "cp"), lambda *_: None) as peer,
        ):
            for _ in range(3):
                assert (await api.post(f"{commands}/GetConfiguration?timeout=1", json={})).status_code == 504
            change = {"key": "ConnectionTimeOut", "value": "60"}
            await api.post(f"{commands}/ChangeConfiguration?wait=0", json=change)
            await peer.wait_asked(4)
            ids = [id_ for id_, _, _ in peer.asked]
            told = {"configurationKey": [{"key": "ConnectionTimeOut", "readonly": False, "value": "30"}]}
            await in_one_breath(
                peer,
                *([3, id_, told] for id_ in ids[:3]),
                [3, ids[3], {"status": "RebootRequired"}],
                [2, "boot", "BootNotification", BOOT],
            )
            await peer.answer_to("boot")
            [setting] = (await api.get(PATH)).json()["keys"]
            assert (setting["value"], setting["pending"]) == ("60", None)
