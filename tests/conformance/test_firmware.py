"""Firmware, diagnostics and triggers, which the certificate counts as Core."""

from typing import Any

from tests.conformance.charge_point import CONNECTORS, ChargePoint, now
from tests.conformance.laboratory import Laboratory
from tests.conformance.station import Json, Violation

ACCEPTED = {"status": "Accepted"}
UPDATE: Json = {"location": "ftp://octt.example/firmware.bin", "retrieveDate": "2026-01-01T00:00:00Z"}
DIAGNOSTICS: Json = {"location": "ftp://octt.example/uploads"}


async def tell(cp: ChargePoint, action: str, *statuses: str, **more: Any) -> None:
    for status in statuses:
        assert await cp.call(action, {"status": status, **more}) == {}


async def check_job(lab: Laboratory, kind: str, *statuses: str) -> None:
    """The operator sees how it went: these statuses, after the answer that began it."""
    [job] = (await lab.read("/jobs"))["items"]
    assert (job["kind"], job["running"]) == (kind, False)
    assert [each["status"] for each in job["history"]][1:] == list(statuses)


async def test_tc_044_1_download_and_install(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "UpdateFirmware", UPDATE, {})
        await tell(cp, "FirmwareStatusNotification", "Downloading", "Downloaded")
        await cp.status(0, "Unavailable")
        await tell(cp, "FirmwareStatusNotification", "Installing")
    async with lab.connected() as cp:
        await cp.cold_boot()
        await tell(cp, "FirmwareStatusNotification", "Installed")
        await check_job(lab, "UpdateFirmware", "Downloading", "Downloaded", "Installing", "Installed")


async def test_tc_044_2_download_failed(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "UpdateFirmware", UPDATE, {})
        await tell(cp, "FirmwareStatusNotification", "Downloading", "DownloadFailed")
        await check_job(lab, "UpdateFirmware", "Downloading", "DownloadFailed")


async def test_tc_044_3_installation_failed(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "UpdateFirmware", UPDATE | {"retries": 0, "retryInterval": 0}, {})
        await tell(cp, "FirmwareStatusNotification", "Downloading", "Downloaded")
        await cp.status(0, "Unavailable")
        await tell(cp, "FirmwareStatusNotification", "Installing")
    async with lab.connected() as cp:
        await cp.cold_boot()
        await tell(cp, "FirmwareStatusNotification", "InstallationFailed")
        statuses = "Downloading", "Downloaded", "Installing", "InstallationFailed"
        await check_job(lab, "UpdateFirmware", *statuses)


async def test_tc_045_1_get_diagnostics(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "GetDiagnostics", DIAGNOSTICS, {"fileName": "octt.log"})
        await tell(cp, "DiagnosticsStatusNotification", "Uploading", "Uploaded")
        await check_job(lab, "GetDiagnostics", "Uploading", "Uploaded")


async def test_tc_045_2_upload_failed(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "GetDiagnostics", DIAGNOSTICS, {"fileName": "octt.log"})
        await tell(cp, "DiagnosticsStatusNotification", "Uploading", "UploadFailed")
        await check_job(lab, "GetDiagnostics", "Uploading", "UploadFailed")


# --- Remote trigger ---


def meter_values(connector: int) -> Json:
    value = {"value": "1234", "context": "Trigger", "unit": "Wh"}
    return {"connectorId": connector, "meterValue": [{"timestamp": now(), "sampledValue": [value]}]}


async def test_tc_054_trigger_message(lab: Laboratory) -> None:
    async with lab.booted() as cp:

        async def trigger(message: str, answer: Json = ACCEPTED, **more: Any) -> None:
            asked = {"requestedMessage": message, **more}
            done = await lab.command(cp, "TriggerMessage", asked, answer)
            if done.heard.payload.keys() != asked.keys():
                raise Violation(f"TriggerMessage has {sorted(done.heard.payload)}")

        await trigger("MeterValues", connectorId=1)
        assert await cp.call("MeterValues", meter_values(1)) == {}
        await trigger("Heartbeat")
        cp.check_time((await cp.call("Heartbeat", {}))["currentTime"])
        await trigger("StatusNotification", connectorId=1)
        await cp.status(1, "Available")
        await trigger("DiagnosticsStatusNotification")
        await tell(cp, "DiagnosticsStatusNotification", "Idle")
        await trigger("FirmwareStatusNotification", {"status": "NotImplemented"})
        await trigger("FirmwareStatusNotification")
        await tell(cp, "FirmwareStatusNotification", "Idle")


async def test_tc_055_trigger_message_rejected(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        asked = {"requestedMessage": "MeterValues", "connectorId": CONNECTORS + 1}
        await lab.command(cp, "TriggerMessage", asked, {"status": "Rejected"})
