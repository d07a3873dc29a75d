"""FirmwareManagement profile: firmware and diagnostics (sections 4.4, 4.5, 6.10 and 6.19)."""

from typing import Literal

from gateway.ocpp16.messages.types import CiString255, DateTime, Integer, Maybe, Message

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
    """A charge point sends Idle only if the message was triggered and nothing is in progress."""

    status: DiagnosticsStatus


class DiagnosticsStatusNotificationResult(Message):
    pass


class FirmwareStatusNotification(Message):
    """A charge point sends Idle only if the message was triggered and nothing is in progress."""

    status: FirmwareStatus


class FirmwareStatusNotificationResult(Message):
    pass


# --- To the charge point ---------------------------------------------------------------------------


class GetDiagnostics(Message):
    """`location` is the directory to upload to. `retries` does not count the first attempt.

    `retry_interval` is in seconds.
    """

    location: str
    retries: Maybe[Integer] = None
    retry_interval: Maybe[Integer] = None
    start_time: Maybe[DateTime] = None
    stop_time: Maybe[DateTime] = None


class GetDiagnosticsResult(Message):
    """An absent file name means that there is nothing to upload."""

    file_name: Maybe[CiString255] = None


class UpdateFirmware(Message, kw_only=True):
    """`retrieve_date` is the earliest time of the download. `retries` does not count the first attempt.

    `retry_interval` is in seconds.
    """

    location: str
    retries: Maybe[Integer] = None
    retrieve_date: DateTime
    retry_interval: Maybe[Integer] = None


class UpdateFirmwareResult(Message):
    pass
