"""Question AQ-10: can csms answer a boot with Pending or Rejected until an operator accepts the charge point?

The test case document of OCPP 1.6 has no case for this question. These tests follow TC_B_02, 03, 30 and 31 of
OCPP 2.0.1 (Part 5).
"""

from tests.conformance.charge_point import ChargePoint
from tests.conformance.laboratory import VALID, Laboratory
from tests.conformance.station import Json

ACCEPTED = {"status": "Accepted"}
BOOT_AGAIN = {"requestedMessage": "BootNotification"}
HEARTBEAT: Json = {}


async def refused(cp: ChargePoint, action: str, payload: Json) -> None:
    answer = await cp.exchange(action, payload)
    assert (answer[0], answer[2]) == (4, "SecurityError"), answer


async def release(lab: Laboratory) -> None:
    done = await lab.api.post(f"/charge-points/{lab.id}/accept")
    assert done.status_code == 200, done.text


async def test_a_charge_point_is_pending_at_first_and_is_served_after_an_operator_accepts_it(
    lab: Laboratory,
) -> None:
    await lab.settings(registration="Pending", registration_interval_s=17)
    async with lab.connected() as cp:
        assert (await cp.boot("Pending"))["interval"] == 17
        await refused(cp, "Heartbeat", HEARTBEAT)
        await refused(cp, "Authorize", {"idTag": VALID})
        # An operator may send a pending charge point configuration commands and triggers, but no remote
        # start.
        known = {"configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "60"}]}
        await lab.command(cp, "GetConfiguration", {}, known)
        setting = {"key": "HeartbeatInterval", "value": "30"}
        await lab.command(cp, "ChangeConfiguration", setting, ACCEPTED)
        started = await lab.api.post(
            f"/charge-points/{lab.id}/commands/RemoteStartTransaction", json={"idTag": VALID}
        )
        assert started.status_code == 409, started.text
        await lab.command(cp, "TriggerMessage", BOOT_AGAIN, ACCEPTED)
        await cp.boot("Pending")
        path = f"/charge-points/{lab.id}/accept?trigger=true"
        await lab.operate(cp, "POST", path, "TriggerMessage", BOOT_AGAIN, ACCEPTED)
        await cp.cold_boot()
        await cp.charge(VALID)


async def test_a_charge_point_is_rejected_at_first_and_is_served_after_an_operator_accepts_it(
    lab: Laboratory,
) -> None:
    await lab.settings(registration="Rejected", registration_interval_s=3600)
    async with lab.connected() as cp:
        assert (await cp.boot("Rejected"))["interval"] == 3600
        await refused(cp, "Heartbeat", HEARTBEAT)
        await refused(cp, "Authorize", {"idTag": VALID})
        await cp.quiet()
        await cp.boot("Rejected")
        await release(lab)
        await cp.cold_boot()
        await cp.charge(VALID)


async def test_a_charge_point_that_has_been_accepted_is_served_again_after_it_reconnects(
    lab: Laboratory,
) -> None:
    await lab.settings(registration="Pending")
    async with lab.connected() as cp:
        await cp.boot("Pending")
        await release(lab)
        await cp.cold_boot()
    async with lab.connected() as cp:
        cp.check_time((await cp.call("Heartbeat", {}))["currentTime"])
        await cp.charge(VALID)
