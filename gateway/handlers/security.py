"""The security extension (whitepaper edition 3): events, logs, signed firmware, certificates."""

from gateway.charge_point import ChargePoint
from gateway.handlers.handler import Handler
from gateway.ocpp16 import security
from gateway.ocpp16.types import Message


async def security_event_notification(
    _request: security.SecurityEventNotification, _charge_point: ChargePoint
) -> security.SecurityEventNotificationResult:
    return security.SecurityEventNotificationResult()


async def log_status_notification(
    _request: security.LogStatusNotification, _charge_point: ChargePoint
) -> security.LogStatusNotificationResult:
    return security.LogStatusNotificationResult()


async def signed_firmware_status_notification(
    _request: security.SignedFirmwareStatusNotification, _charge_point: ChargePoint
) -> security.SignedFirmwareStatusNotificationResult:
    return security.SignedFirmwareStatusNotificationResult()


async def sign_certificate(
    _request: security.SignCertificate, _charge_point: ChargePoint
) -> security.SignCertificateResult:
    """No authority is known here, so nobody could sign it."""
    return security.SignCertificateResult(status="Rejected")


HANDLERS: dict[type[Message], Handler] = {
    security.LogStatusNotification: log_status_notification,
    security.SecurityEventNotification: security_event_notification,
    security.SignCertificate: sign_certificate,
    security.SignedFirmwareStatusNotification: signed_firmware_status_notification,
}
