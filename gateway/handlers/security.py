"""The security extension (whitepaper edition 3): events, logs, signed firmware, certificates."""

from gateway.handlers import jobs
from gateway.handlers.certificates import (
    certificate_signed,
    delete_certificate,
    get_installed_certificate_ids,
    install_certificate,
    sign_certificate,
)
from gateway.handlers.charge_point import ChargePoint, now_ms
from gateway.handlers.handler import Answered, Handler, Outcome
from gateway.ocpp16.messages import security
from gateway.ocpp16.messages.types import Message
from state.features import security_events


async def security_event_notification(
    request: security.SecurityEventNotification, charge_point: ChargePoint
) -> security.SecurityEventNotificationResult:
    """Store the event. An event of an unknown type or with a wrong time is accepted too (A04)."""
    event = security_events.SecurityEvent(
        type=request.type,
        timestamp=request.timestamp,
        tech_info=request.tech_info,
        received_ms=now_ms(),
        as_sent=charge_point.as_sent.fields,
        mark=charge_point.as_sent.mark,
    )
    await security_events.keep(charge_point.store, charge_point.lease.keys, event)
    return security.SecurityEventNotificationResult()


async def log_status_notification(
    request: security.LogStatusNotification, charge_point: ChargePoint
) -> security.LogStatusNotificationResult:
    await jobs.record_status(charge_point, "LogStatusNotification", request.status, request.request_id)
    return security.LogStatusNotificationResult()


async def signed_firmware_status_notification(
    request: security.SignedFirmwareStatusNotification, charge_point: ChargePoint
) -> security.SignedFirmwareStatusNotificationResult:
    await jobs.record_status(
        charge_point, "SignedFirmwareStatusNotification", request.status, request.request_id
    )
    return security.SignedFirmwareStatusNotificationResult()


async def get_log(answered: Answered[security.GetLog, security.GetLogResult]) -> None:
    request, result = answered.request, answered.result
    await jobs.record_job(
        answered, "GetLog", result.status, request_id=request.request_id, file_name=result.filename
    )


async def signed_update_firmware(
    answered: Answered[security.SignedUpdateFirmware, security.SignedUpdateFirmwareResult],
) -> None:
    request_id = answered.request.request_id
    await jobs.record_job(answered, "SignedUpdateFirmware", answered.result.status, request_id=request_id)


HANDLERS: dict[type[Message], Handler] = {
    security.LogStatusNotification: log_status_notification,
    security.SecurityEventNotification: security_event_notification,
    security.SignCertificate: sign_certificate,
    security.SignedFirmwareStatusNotification: signed_firmware_status_notification,
}

OUTCOMES: dict[type[Message], Outcome] = {
    security.CertificateSigned: certificate_signed,
    security.DeleteCertificate: delete_certificate,
    security.GetInstalledCertificateIds: get_installed_certificate_ids,
    security.GetLog: get_log,
    security.InstallCertificate: install_certificate,
    security.SignedUpdateFirmware: signed_update_firmware,
}
