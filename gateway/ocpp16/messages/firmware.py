"""FirmwareManagement profile: firmware and diagnostics (sections 4.4, 4.5, 6.10 and 6.19)."""

from typing import Literal

from gateway.ocpp16.messages.types import CiString255, DateTime, Maybe, Message

type DiagnosticsStatus = Literal["Idle", "Uploaded", "UploadFailed", "Uploading"]
type FirmwareStatus = Literal[
    "Downloaded",
    "DownloadFailed",
    "Downloading",
    "Idle",
    "InstallationFailed",
    "Installing",
    "Installed",
]

# --- From the charge point -------------------------------------------------------------------------


class DiagnosticsStatusNotification(Message):
    """Idle only when it was triggered and nothing goes on."""

    status: DiagnosticsStatus


class DiagnosticsStatusNotificationResult(Message):
    pass


class FirmwareStatusNotification(Message):
    """Idle only when it was triggered and nothing goes on."""

    status: FirmwareStatus


class FirmwareStatusNotificationResult(Message):
    pass


# --- To the charge point ---------------------------------------------------------------------------


class GetDiagnostics(Message):
    """`location` is the directory to upload to; `retries` counts beyond the first attempt."""

    location: str
    retries: Maybe[int] = None
    retry_interval: Maybe[int] = None
    start_time: Maybe[DateTime] = None
    stop_time: Maybe[DateTime] = None


class GetDiagnosticsResult(Message):
    """Without a file name there is nothing to upload."""

    file_name: Maybe[CiString255] = None


class UpdateFirmware(Message):
    """`retrieve_date`: not before; `retries` counts beyond the first attempt."""

    location: str
    retrieve_date: DateTime
    retries: Maybe[int] = None
    retry_interval: Maybe[int] = None


class UpdateFirmwareResult(Message):
    pass
