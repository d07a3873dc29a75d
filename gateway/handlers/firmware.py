"""FirmwareManagement profile: how far an update or an upload has got (sections 4.4 and 4.5)."""

from gateway.charge_point import ChargePoint
from gateway.handlers.handler import Handler
from gateway.ocpp16 import firmware
from gateway.ocpp16.types import Message


async def diagnostics_status_notification(
    _request: firmware.DiagnosticsStatusNotification, _charge_point: ChargePoint
) -> firmware.DiagnosticsStatusNotificationResult:
    return firmware.DiagnosticsStatusNotificationResult()


async def firmware_status_notification(
    _request: firmware.FirmwareStatusNotification, _charge_point: ChargePoint
) -> firmware.FirmwareStatusNotificationResult:
    return firmware.FirmwareStatusNotificationResult()


HANDLERS: dict[type[Message], Handler] = {
    firmware.DiagnosticsStatusNotification: diagnostics_status_notification,
    firmware.FirmwareStatusNotification: firmware_status_notification,
}
