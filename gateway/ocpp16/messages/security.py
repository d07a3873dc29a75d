"""The security extension (whitepaper "Improved security for OCPP 1.6-J", edition 3, section 6)."""

from typing import Annotated, Literal

from msgspec import Meta

from gateway.ocpp16.messages.types import (
    AcceptedOrRejected,
    CiString50,
    CiString255,
    DateTime,
    Integer,
    Maybe,
    Message,
)

type Text40 = Annotated[str, Meta(max_length=40)]
type Text128 = Annotated[str, Meta(max_length=128)]
type Text512 = Annotated[str, Meta(max_length=512)]
type Text800 = Annotated[str, Meta(max_length=800)]
type Text5500 = Annotated[str, Meta(max_length=5500)]
type Text10000 = Annotated[str, Meta(max_length=10000)]

type CertificateUse = Literal["CentralSystemRootCertificate", "ManufacturerRootCertificate"]
type LogType = Literal["DiagnosticsLog", "SecurityLog"]
type UploadLogStatus = Literal[
    "BadMessage",
    "Idle",
    "NotSupportedOperation",
    "PermissionDenied",
    "Uploaded",
    "UploadFailure",
    "Uploading",
]
type SignedFirmwareStatus = Literal[
    "Downloaded",
    "DownloadFailed",
    "Downloading",
    "DownloadScheduled",
    "DownloadPaused",
    "Idle",
    "InstallationFailed",
    "Installing",
    "Installed",
    "InstallRebooting",
    "InstallScheduled",
    "InstallVerificationFailed",
    "InvalidSignature",
    "SignatureVerified",
]

# --- From the charge point -------------------------------------------------------------------------


class SignCertificate(Message):
    """`csr` is a PKCS#10 request in PEM."""

    csr: Text5500


class SignCertificateResult(Message):
    """Accepted means that the request goes to the certificate authority.

    The signed certificate follows later in a CertificateSigned.
    """

    status: AcceptedOrRejected


class SecurityEventNotification(Message):
    """`type` is a security event of the whitepaper's list, or any other text."""

    type: CiString50
    timestamp: DateTime
    tech_info: Maybe[CiString255] = None


class SecurityEventNotificationResult(Message):
    pass


class LogStatusNotification(Message):
    """`request_id` is absent only if the status is Idle."""

    status: UploadLogStatus
    request_id: Maybe[Integer] = None


class LogStatusNotificationResult(Message):
    pass


class SignedFirmwareStatusNotification(Message):
    """`request_id` is absent only if the status is Idle."""

    status: SignedFirmwareStatus
    request_id: Maybe[Integer] = None


class SignedFirmwareStatusNotificationResult(Message):
    pass


# --- To the charge point ---------------------------------------------------------------------------


class ExtendedTriggerMessage(Message):
    """In this request, FirmwareStatusNotification asks for a SignedFirmwareStatusNotification."""

    requested_message: Literal[
        "BootNotification",
        "LogStatusNotification",
        "FirmwareStatusNotification",
        "Heartbeat",
        "MeterValues",
        "SignChargePointCertificate",
        "StatusNotification",
    ]
    connector_id: Maybe[Integer] = None


class ExtendedTriggerMessageResult(Message):
    status: Literal["Accepted", "Rejected", "NotImplemented"]


class CertificateSigned(Message):
    """`certificate_chain` is in PEM, with the charge point's own certificate first."""

    certificate_chain: Text10000


class CertificateSignedResult(Message):
    status: AcceptedOrRejected


class InstallCertificate(Message):
    """`certificate` is a root certificate in PEM."""

    certificate_type: CertificateUse
    certificate: Text5500


class InstallCertificateResult(Message):
    """The answer to InstallCertificate.

    Rejected means that the certificate is invalid, or that the charge point has no room for another
    certificate. Failed means that the certificate is valid, but could not be installed.
    """

    status: Literal["Accepted", "Failed", "Rejected"]


class CertificateHashData(Message):
    """The hashes and the serial number are hexadecimal.

    Upper and lower case make no difference in a comparison.
    """

    hash_algorithm: Literal["SHA256", "SHA384", "SHA512"]
    issuer_name_hash: Text128
    issuer_key_hash: Text128
    serial_number: Text40


class DeleteCertificate(Message):
    """The hash data must be exactly what the charge point reported (M04.FR.07)."""

    certificate_hash_data: CertificateHashData


class DeleteCertificateResult(Message):
    status: Literal["Accepted", "Failed", "NotFound"]


class GetInstalledCertificateIds(Message):
    certificate_type: CertificateUse


class GetInstalledCertificateIdsResult(Message):
    status: Literal["Accepted", "NotFound"]
    certificate_hash_data: Maybe[tuple[CertificateHashData, ...]] = None


class LogParameters(Message):
    remote_location: Text512
    oldest_timestamp: Maybe[DateTime] = None
    latest_timestamp: Maybe[DateTime] = None


class GetLog(Message):
    """`request_id` is unique per charge point. `retries` does not count the first attempt."""

    log: LogParameters
    log_type: LogType
    request_id: Integer
    retries: Maybe[Integer] = None
    retry_interval: Maybe[Integer] = None


class GetLogResult(Message):
    """AcceptedCanceled means that the charge point cancelled an earlier upload and begins this upload."""

    status: Literal["Accepted", "Rejected", "AcceptedCanceled"]
    filename: Maybe[CiString255] = None


class Firmware(Message, kw_only=True):
    """`signing_certificate` is in PEM, and `signature` is in base64."""

    location: Text512
    retrieve_date_time: DateTime
    install_date_time: Maybe[DateTime] = None
    signing_certificate: Text5500
    signature: Text800


class SignedUpdateFirmware(Message, kw_only=True):
    """`request_id` is unique per charge point. `retries` does not count the first attempt."""

    retries: Maybe[Integer] = None
    retry_interval: Maybe[Integer] = None
    request_id: Integer
    firmware: Firmware


class SignedUpdateFirmwareResult(Message):
    """AcceptedCanceled means that the charge point cancelled an earlier update and begins this update."""

    status: Literal["Accepted", "Rejected", "AcceptedCanceled", "InvalidCertificate", "RevokedCertificate"]
