"""Charging profiles through the API. The profiles that csms stores must equal those in the charge point."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import trio

from tests.support.charge_point_peer import Peer, charge_point, now
from tests.support.smart_charging import SmartCharging
from tests.support.waiting import until
from tests.system.central import Central, Process

type Gateways = tuple[Process, Process]
DEFAULT, TX, MAX = "TxDefaultProfile", "TxProfile", "ChargePointMaxProfile"


def ago(seconds: int) -> str:
    moment = datetime.now(UTC) - timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Operator:
    """The admin API's routes of the charge point `cp`."""

    def __init__(self, api: httpx.AsyncClient) -> None:
        self.api = api

    async def command(self, action: str, payload: Any) -> Any:
        answer = await self.api.post(f"/charge-points/cp/commands/{action}", json=payload)
        assert answer.status_code == 200, answer.text
        return answer.json()["response"]["status"]

    async def set(
        self,
        id_: int,
        *periods: tuple[int, float],
        connector: int = 1,
        purpose: str = DEFAULT,
        level: int = 0,
        unit: str = "A",
        **changes: Any,
    ) -> Any:
        profile = a_profile(id_, *periods, purpose=purpose, level=level, unit=unit) | changes
        return await self.command(
            "SetChargingProfile", {"connectorId": connector, "csChargingProfiles": profile}
        )

    async def mirror(self) -> list[int]:
        found = (await self.api.get("/charge-points/cp/charging-profiles")).json()
        assert found["doubts"] == []
        assert all(one["doubt"] is None for one in found["items"])
        return [one["charging_profile_id"] for one in found["items"]]

    async def one(self, id_: int) -> Any:
        return (await self.api.get(f"/charge-points/cp/charging-profiles/{id_}")).json()

    async def agree(self, connector: int, unit: str | None = None) -> list[float | None]:
        """Check that csms and the charge point compute the same composite schedule, and return its limits."""
        body = {"connector_id": connector, "duration": 120} | ({"charging_rate_unit": unit} if unit else {})
        answer = await self.api.post("/charge-points/cp/charging-profiles/composite-schedule", json=body)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["agrees"] is True, found
        return [period["limit"] for period in found["ours"]["periods"]]


def a_profile(
    id_: int, *periods: tuple[int, float], purpose: str = DEFAULT, level: int = 0, unit: str = "A"
) -> dict[str, Any]:
    plan: dict[str, Any] = {
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [{"startPeriod": start, "limit": limit} for start, limit in periods],
    }
    kind = "Relative" if purpose == TX else "Absolute"
    if kind == "Absolute":
        plan["startSchedule"] = ago(60)
    return {
        "chargingProfileId": id_,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": plan,
    }


@asynccontextmanager
async def at_work(central: Central, gateway: Process) -> AsyncIterator[tuple[Operator, Peer, SmartCharging]]:
    tenant, smart = central.tenant(), SmartCharging()
    async with tenant.api() as api:
        assert (await api.put("/id-tags/TAG", json={})).status_code == 201
        async with charge_point(tenant.url(gateway, "cp"), smart.serve) as cp:
            assert (await cp.call("BootNotification", {"chargePointVendor": "v", "chargePointModel": "m"}))[
                "status"
            ] == "Accepted"
            yield Operator(api), cp, smart


async def begin(cp: Peer, smart: SmartCharging, connector: int = 1) -> int:
    at = now()
    number = int((await cp.start(timestamp=at, connector=connector))["transactionId"])
    smart.began(connector, number, at)
    return number


async def end(cp: Peer, smart: SmartCharging, number: int, connector: int = 1) -> None:
    await cp.stop(number)
    smart.ended(connector)


async def test_charging_profiles_can_be_set_and_replaced_and_cleared(
    central: Central, gateways: Gateways
) -> None:
    with trio.fail_after(120):
        async with at_work(central, gateways[0]) as (operator, _, _):
            assert await operator.agree(1) == [None]
            assert await operator.set(1, (0, 16.1), (100, 6.0), connector=0) == "Accepted"
            assert await operator.agree(1) == [16.1, 6.0]
            assert await operator.set(2, (0, 10.0), connector=1) == "Accepted"
            assert (await operator.agree(1), await operator.agree(2)) == ([10.0], [16.1, 6.0])
            assert await operator.set(3, (0, 8000.0), connector=0, purpose=MAX, unit="W") == "Accepted"
            assert await operator.agree(2, "A") == [11.5, 6.0]
            assert await operator.agree(2, "W") == [8000.0, 4140.0]
            assert await operator.agree(0, "W") == [8000.0]
            assert await operator.mirror() == [1, 2, 3]
            # Profile 4 replaces the profile of the same purpose and level on its connector. The new profile 3
            # replaces the profile with its id on another connector.
            assert await operator.set(4, (0, 12.0), connector=1) == "Accepted"
            assert await operator.mirror() == [1, 3, 4]
            assert await operator.set(3, (0, 20.0), connector=1, level=1, validTo=ago(-60)) == "Accepted"
            assert await operator.mirror() == [1, 3, 4]
            assert await operator.agree(1) == [20.0, 12.0]
            # The charge point refuses a TxProfile without a transaction, so csms does not store the profile.
            assert await operator.set(5, (0, 6.0), purpose=TX) == "Rejected"
            assert await operator.command("ClearChargingProfile", {"id": 4}) == "Accepted"
            assert await operator.mirror() == [1, 3]
            some = {"connectorId": 1, "chargingProfilePurpose": DEFAULT, "stackLevel": 1}
            assert await operator.command("ClearChargingProfile", some) == "Accepted"
            assert await operator.command("ClearChargingProfile", some) == "Unknown"
            assert await operator.mirror() == [1]
            assert await operator.agree(1) == [16.1, 6.0]
            assert await operator.command("ClearChargingProfile", {}) == "Accepted"
            assert await operator.mirror() == []


async def test_a_tx_profile_is_removed_when_its_transaction_stops(
    central: Central, gateways: Gateways
) -> None:
    with trio.fail_after(120):
        async with at_work(central, gateways[0]) as (operator, cp, smart):
            await operator.set(1, (0, 16.0))
            number = await begin(cp, smart)
            assert await operator.set(2, (0, 8.0), (60, 6.0), purpose=TX, transactionId=number) == "Accepted"
            assert (await operator.one(2))["transaction_id"] == f"cp.{number}"
            assert await operator.agree(1) == [8.0, 6.0]
            other = await begin(cp, smart, connector=2)
            assert await operator.set(3, (0, 10.0), connector=2, purpose=TX) == "Accepted"
            assert (await operator.one(3))["transaction_id"] == f"cp.{other}"
            assert await operator.agree(0) == [18.0, 16.0]
            await end(cp, smart, number)
            assert await operator.mirror() == [1, 3]
            assert (await operator.agree(1), await operator.agree(0)) == ([16.0], [10.0])
            await end(cp, smart, other, connector=2)
            assert await operator.mirror() == [1]


async def test_the_charging_profile_of_a_remote_start_belongs_to_the_transaction_that_follows(
    central: Central, gateways: Gateways
) -> None:
    with trio.fail_after(120):
        async with at_work(central, gateways[0]) as (operator, cp, smart):
            wanted = {"idTag": "TAG", "connectorId": 1, "chargingProfile": a_profile(7, (0, 9.0), purpose=TX)}
            assert await operator.command("RemoteStartTransaction", wanted) == "Accepted"
            [waiting] = (await operator.api.get("/charge-points/cp/charging-profiles")).json()["items"]
            assert waiting["status"] == "awaiting_transaction"
            number = await begin(cp, smart)
            found = await operator.one(7)
            assert (found["status"], found["connector_id"]) == ("installed", 1)
            assert (found["transaction_id"], found["command"]) == (f"cp.{number}", waiting["command"])
            assert await operator.agree(1) == [9.0]
            # Errata 11: a profile of the same level replaces the first profile, and a profile of another
            # level is stacked.
            await operator.set(8, (0, 11.0), purpose=TX, level=1, transactionId=number, validTo=ago(-60))
            assert await operator.agree(1) == [11.0, 9.0]
            await operator.set(9, (0, 13.0), purpose=TX, transactionId=number)
            assert await operator.mirror() == [8, 9]
            assert await operator.agree(1) == [11.0, 13.0]
            await end(cp, smart, number)
            assert await operator.mirror() == []


async def test_a_doubt_about_a_charging_profile_is_removed_by_a_late_answer(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp"), lambda *_: None) as cp:
            await cp.call("BootNotification", {"chargePointVendor": "v", "chargePointModel": "m"})
            body = {"connectorId": 1, "csChargingProfiles": a_profile(1, (0, 16.0))}
            sent = await api.post("/charge-points/cp/commands/SetChargingProfile?timeout=1", json=body)
            assert sent.status_code == 504, sent.text

            async def mirror() -> Any:
                return (await api.get("/charge-points/cp/charging-profiles")).json()

            async def doubted() -> bool:
                return bool((await mirror())["doubts"])

            await until(doubted)
            [doubt] = (await mirror())["doubts"]
            assert (doubt["charging_profile_id"], doubt["why"]) == (1, "timeout")
            await cp.send([3, cp.asked[0][0], {"status": "Accepted"}])

            async def believed() -> bool:
                found = await mirror()
                return bool(found["items"]) and not found["doubts"]

            await until(believed)
