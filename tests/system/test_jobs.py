"""Firmware and upload jobs from the request to the last status, over a reboot and a change of gateway."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import trio

from tests.support.charge_point_peer import Peer, charge_point
from tests.support.fault_proxy import fault_proxy
from tests.support.waiting import until
from tests.system.central import Central, Process, Tenant

type Gateways = tuple[Process, Process]

PLAIN = {"location": "ftp://user:pass@host/new.bin", "retrieveDate": "2026-01-01T00:00:00Z"}
SIGNED = {
    "firmware": {
        "location": "https://host/new.bin",
        "retrieveDateTime": "2026-01-01T00:00:00Z",
        "signingCertificate": "none",
        "signature": "YWJj",
    }
}
LOG = {"logType": "SecurityLog", "log": {"remoteLocation": "https://host/up"}}
SIGNED_STATUS, PLAIN_STATUS = "SignedFirmwareStatusNotification", "FirmwareStatusNotification"


def serve(action: str, _payload: Any) -> Any:
    return {"UpdateFirmware": {}, "GetDiagnostics": {"fileName": "d.zip"}}.get(action, {"status": "Accepted"})


async def begin(api: httpx.AsyncClient, action: str, payload: Any) -> dict[str, Any]:
    response = await api.post("/charge-points/cp/jobs", json={"action": action, "payload": payload})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def job(api: httpx.AsyncClient, id_: str) -> dict[str, Any]:
    response = await api.get(f"/charge-points/cp/jobs/{id_}")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def statuses(api: httpx.AsyncClient, id_: str) -> list[str]:
    return [state["status"] for state in (await job(api, id_))["history"][1:]]


async def tell(cp: Peer, action: str, *told: str, **more: Any) -> None:
    for status in told:
        assert await cp.call(action, {"status": status, **more}) == {}


@asynccontextmanager
async def at(tenant: Tenant, gateway: Process) -> AsyncIterator[Peer]:
    async with charge_point(tenant.url(gateway, "cp"), serve) as cp:
        await cp.call("BootNotification", {"chargePointVendor": "v", "chargePointModel": "m"})
        yield cp


async def test_a_signed_firmware_update_continues_after_a_reboot_and_on_another_gateway(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api:
            async with at(tenant, gateways[0]) as cp:
                begun = await begin(api, "SignedUpdateFirmware", SIGNED)
                [(_, action, payload)] = cp.asked
                number = payload.pop("requestId")
                assert (action, payload) == ("SignedUpdateFirmware", SIGNED)
                told = "Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting"
                await tell(cp, SIGNED_STATUS, *told, requestId=number)
                assert (await job(api, begun["id"]))["running"]
            async with at(tenant, gateways[1]) as cp:
                await tell(cp, SIGNED_STATUS, "Installed", requestId=number)
                await tell(cp, SIGNED_STATUS, "Installed", requestId=number)
                await tell(cp, SIGNED_STATUS, "Idle")
                assert cp.asked == []  # The central system sends no call that no operator requested.
            found = await job(api, begun["id"])
            assert (found["status"], found["running"], found["request_id"]) == ("Installed", False, number)
            assert await statuses(api, begun["id"]) == [*told, "Installed"]
            [note] = (await api.get("/charge-points/cp/jobs")).json()["notes"]
            assert (note["status"], note["request_id"]) == ("Idle", None)


async def test_a_status_that_follows_right_after_the_answer_to_a_command_belongs_to_the_new_job(
    central: Central, gateways: Gateways
) -> None:
    """The answer and a status arrive together. The older job of the same kind must not get the status."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp"), lambda *_: None) as cp:
            previous = ""
            for round_ in range(15):
                answers: list[dict[str, Any]] = []
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_begin_into, answers, api)
                    await cp.wait_asked(round_ + 1)
                    id_ = cp.asked[-1][0]
                    await cp.send([3, id_, {}])
                    await cp.call(PLAIN_STATUS, {"status": "Downloading"})
                [begun] = answers
                assert begun["id"] == id_
                assert await statuses(api, id_) == ["Downloading"]
                if previous:
                    assert await statuses(api, previous) == ["Downloading", "Superseded"]
                previous = id_


async def _begin_into(answers: list[dict[str, Any]], api: httpx.AsyncClient) -> None:
    answers.append(await begin(api, "UpdateFirmware", PLAIN))


async def test_the_statuses_of_a_job_keep_their_order_even_if_the_store_is_slow(central: Central) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            fault_proxy(central.valkey.path) as proxy,
            central.gateway(store_url=f"redis://127.0.0.1:{proxy.port}/0") as gateway,
            tenant.api() as api,
            charge_point(tenant.url(gateway, "cp"), lambda *_: None) as cp,
        ):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(begin, api, "GetLog", LOG))
                await cp.wait_asked()
                id_, _, payload = cp.asked[0]
                proxy.replies.delay_s = 0.3
                await cp.send([3, id_, {"status": "Accepted"}])
                number = payload["requestId"]
                await tell(cp, "LogStatusNotification", "Uploading", "Uploaded", requestId=number)
                proxy.replies.delay_s = 0.0
            assert await statuses(api, id_) == ["Uploading", "Uploaded"]


async def test_a_later_log_request_replaces_the_job_of_an_earlier_log_request(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    words = iter(["Accepted", "AcceptedCanceled", "Rejected"])
    with trio.fail_after(120):
        async with (
            tenant.api() as api,
            charge_point(tenant.url(gateways[0], "cp"), lambda *_: {"status": next(words)}) as cp,
        ):
            first, second, third = [(await begin(api, "GetLog", LOG))["id"] for _ in range(3)]
            numbers = [payload["requestId"] for _, _, payload in cp.asked]
            assert len(set(numbers)) == 3
            await tell(cp, "LogStatusNotification", "Uploading", "PermissionDenied", requestId=numbers[1])
            states = {id_: (await job(api, id_))["status"] for id_ in (first, second, third)}
            assert list(states.values()) == ["Canceled", "PermissionDenied", "Rejected"]


async def test_an_answer_that_arrives_late_still_creates_the_job(
    central: Central, gateways: Gateways
) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with tenant.api() as api, charge_point(tenant.url(gateways[0], "cp"), lambda *_: None) as cp:
            asked = await api.post("/charge-points/cp/commands/UpdateFirmware?timeout=1", json=PLAIN)
            assert asked.status_code == 504, asked.text
            id_ = cp.asked[0][0]
            await cp.send([3, id_, {}])
            await tell(cp, PLAIN_STATUS, "Installed")
            assert await statuses(api, id_) == ["Installed"]


async def test_each_status_of_a_job_emits_an_event(central: Central, gateways: Gateways) -> None:
    tenant = central.tenant()
    seen: Counter[str] = Counter()
    with trio.fail_after(120):
        async with tenant.api() as api, at(tenant, gateways[0]) as cp, trio.open_nursery() as nursery:
            nursery.start_soon(_listen, api, seen)
            await until(lambda: _true(seen.total() > 0))
            await begin(api, "GetDiagnostics", {"location": "ftp://host/up"})
            await tell(cp, "DiagnosticsStatusNotification", "Uploading", "UploadFailed")
            await until(lambda: _true(seen["event: job.status"] == 3))
            nursery.cancel_scope.cancel()


async def _true(verdict: bool) -> bool:  # noqa: FBT001  the only thing there is to say
    await trio.lowlevel.checkpoint()
    return verdict


async def _listen(api: httpx.AsyncClient, seen: Counter[str]) -> None:
    async with api.stream("GET", "/events", timeout=60) as response:
        async for line in response.aiter_lines():
            seen[line] += 1
