"""Firmware, diagnostics and triggers, which the certificate counts as Core."""

from typing import Any

from tests.conformance.charge_point import CONNECTORS, now
from tests.conformance.laboratory import Laboratory
from tests.conformance.station import Json, Violation

ACCEPTED = {"status": "Accepted"}
UPDATE: Json = {"location": "ftp://octt.example/firmware.bin", "retrieveDate": "2026-01-01T00:00:00Z"}
DIAGNOSTICS: Json = {"location": "ftp://octt.example/uploads"}


async def test_tc_044_1_a_firmware_update_is_downloaded_and_installed(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "UpdateFirmware", UPDATE, {})
        await cp.report("FirmwareStatusNotification", "Downloading", "Downloaded")
        await cp.status(0, "Unavailable")
        await cp.report("FirmwareStatusNotification", "Installing")
    async with lab.connected() as cp:
        await cp.cold_boot()
        await cp.report("FirmwareStatusNotification", "Installed")
        await lab.check_job("UpdateFirmware", "Downloading", "Downloaded", "Installing", "Installed")


async def test_tc_044_2_a_firmware_update_fails_in_the_download(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "UpdateFirmware", UPDATE, {})
        await cp.report("FirmwareStatusNotification", "Downloading", "DownloadFailed")
        await lab.check_job("UpdateFirmware", "Downloading", "DownloadFailed")


async def test_tc_044_3_a_firmware_update_fails_in_the_installation(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "UpdateFirmware", UPDATE | {"retries": 0, "retryInterval": 0}, {})
        await cp.report("FirmwareStatusNotification", "Downloading", "Downloaded")
        await cp.status(0, "Unavailable")
        await cp.report("FirmwareStatusNotification", "Installing")
    async with lab.connected() as cp:
        await cp.cold_boot()
        await cp.report("FirmwareStatusNotification", "InstallationFailed")
        statuses = "Downloading", "Downloaded", "Installing", "InstallationFailed"
        await lab.check_job("UpdateFirmware", *statuses)


async def test_tc_045_1_the_charge_point_uploads_its_diagnostics(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "GetDiagnostics", DIAGNOSTICS, {"fileName": "octt.log"})
        await cp.report("DiagnosticsStatusNotification", "Uploading", "Uploaded")
        await lab.check_job("GetDiagnostics", "Uploading", "Uploaded")


async def test_tc_045_2_the_charge_point_fails_to_upload_its_diagnostics(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        await lab.command(cp, "GetDiagnostics", DIAGNOSTICS, {"fileName": "octt.log"})
        await cp.report("DiagnosticsStatusNotification", "Uploading", "UploadFailed")
        await lab.check_job("GetDiagnostics", "Uploading", "UploadFailed")


# --- Remote trigger ---


def meter_values(connector: int) -> Json:
    value = {"value": "1234", "context": "Trigger", "unit": "Wh"}
    return {"connectorId": connector, "meterValue": [{"timestamp": now(), "sampledValue": [value]}]}


async def test_tc_054_the_charge_point_sends_each_message_that_a_trigger_requests(lab: Laboratory) -> None:
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
        await cp.report("DiagnosticsStatusNotification", "Idle")
        await trigger("FirmwareStatusNotification", {"status": "NotImplemented"})
        await trigger("FirmwareStatusNotification")
        await cp.report("FirmwareStatusNotification", "Idle")


async def test_tc_055_the_charge_point_rejects_a_trigger_for_an_unknown_connector(lab: Laboratory) -> None:
    async with lab.booted() as cp:
        asked = {"requestedMessage": "MeterValues", "connectorId": CONNECTORS + 1}
        await lab.command(cp, "TriggerMessage", asked, {"status": "Rejected"})
