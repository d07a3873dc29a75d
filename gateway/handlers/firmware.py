"""FirmwareManagement profile: the progress of updates and uploads (sections 4.4, 4.5, 6.10 and 6.19)."""

from gateway.handlers import jobs
from gateway.handlers.charge_point import ChargePoint
from gateway.handlers.handler import Answered, Handler, Outcome
from gateway.ocpp16.messages import firmware
from gateway.ocpp16.messages.types import Message


async def diagnostics_status_notification(
    request: firmware.DiagnosticsStatusNotification, charge_point: ChargePoint
) -> firmware.DiagnosticsStatusNotificationResult:
    await jobs.record_status(charge_point, "DiagnosticsStatusNotification", request.status)
    return firmware.DiagnosticsStatusNotificationResult()


async def firmware_status_notification(
    request: firmware.FirmwareStatusNotification, charge_point: ChargePoint
) -> firmware.FirmwareStatusNotificationResult:
    await jobs.record_status(charge_point, "FirmwareStatusNotification", request.status)
    return firmware.FirmwareStatusNotificationResult()


async def get_diagnostics(answered: Answered[firmware.GetDiagnostics, firmware.GetDiagnosticsResult]) -> None:
    """Store the answer. An answer without a file name means that there is nothing to upload.

    If the charge point uploads a file nevertheless, its status notifications report the upload.
    """
    file_name = answered.result.file_name
    await jobs.record_job(
        answered, "GetDiagnostics", "Accepted" if file_name else "NoFile", file_name=file_name or None
    )


async def update_firmware(answered: Answered[firmware.UpdateFirmware, firmware.UpdateFirmwareResult]) -> None:
    await jobs.record_job(answered, "UpdateFirmware", "Accepted")


HANDLERS: dict[type[Message], Handler] = {
    firmware.DiagnosticsStatusNotification: diagnostics_status_notification,
    firmware.FirmwareStatusNotification: firmware_status_notification,
}

OUTCOMES: dict[type[Message], Outcome] = {
    firmware.GetDiagnostics: get_diagnostics,
    firmware.UpdateFirmware: update_firmware,
}
