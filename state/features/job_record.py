"""A job: a firmware update or an upload that was requested from a charge point, and its progress.

All functions of this module are pure. A status message has no timestamp. A status may come late or twice, and
statuses that are sent around a reboot may come in any order (whitepaper L01). Each status is kept. The job's
state is the last status that was allowed to change it (`with_status`).
"""

from typing import Literal

import msgspec

type Kind = Literal["GetDiagnostics", "GetLog", "SignedUpdateFirmware", "UpdateFirmware"]
type Message = Literal[
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "LogStatusNotification",
    "SignedFirmwareStatusNotification",
]

KIND_OF: dict[Message, Kind] = {
    "DiagnosticsStatusNotification": "GetDiagnostics",
    "FirmwareStatusNotification": "UpdateFirmware",
    "LogStatusNotification": "GetLog",
    "SignedFirmwareStatusNotification": "SignedUpdateFirmware",
}
"""For each status message, the kind of job that the message reports on."""

STATES_KEPT = 50
"""Greatest number of states that are kept for one job: the answer to the request, and the latest states."""

_UNNUMBERED = frozenset({"GetDiagnostics", "UpdateFirmware"})
"""Kinds of jobs that have no request id.

A status of such a kind can only belong to the latest job of the kind.
"""
_NEVER_BEGUN = frozenset({"InvalidCertificate", "NoFile", "Rejected", "RevokedCertificate"})
_FAILED = frozenset(
    {
        "BadMessage",
        "DownloadFailed",
        "InstallationFailed",
        "InstallVerificationFailed",
        "InvalidSignature",
        "NotSupportedOperation",
        "PermissionDenied",
        "UploadFailed",
        "UploadFailure",
    }
)
_DONE = frozenset({"Installed", "Uploaded"})
_REPLACED = frozenset({"Canceled", "Superseded"})
_IDLE = "Idle"
_ENDED = _NEVER_BEGUN | _FAILED | _DONE | _REPLACED | {_IDLE}


class State(msgspec.Struct, frozen=True, array_like=True):
    status: str
    received_ms: int


class Job(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A job. `id` is the id of the command that requested it. A later job has a higher `number`.

    `payload` is a short form of the request, in JSON. `status` is a word of the charge point, or one of the
    words NoFile, Canceled and Superseded, which csms sets. NoFile means that GetDiagnostics found nothing to
    upload. Canceled means that the charge point answered the request for a later job with AcceptedCanceled.
    Superseded means that further statuses will belong to a later job.
    """

    id: str
    number: int
    kind: Kind
    request_id: int | None = None
    payload: msgspec.Raw
    file_name: str | None = None
    status: str
    ended_ms: int | None = None
    history: tuple[State, ...]
    left_out: int = 0
    """Number of states that were removed to make room for later ones."""

    @property
    def running(self) -> bool:
        return self.ended_ms is None

    @property
    def begun(self) -> bool:
        """Whether the charge point agreed to do the job."""
        return self.history[0].status not in _NEVER_BEGUN


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A status that belongs to no known job, such as Idle while no job has begun."""

    message: Message
    request_id: int | None = None
    status: str
    received_ms: int


def begin(
    id_: str,
    kind: Kind,
    status: str,
    received_ms: int,
    *,
    request_id: int | None,
    payload: bytes,
    file_name: str | None,
) -> Job:
    """Return a new job with the status that answered the request.

    The job gets its number when it is stored.
    """
    return Job(
        id=id_,
        number=0,
        kind=kind,
        request_id=request_id,
        payload=msgspec.Raw(payload),
        file_name=file_name,
        status=status,
        ended_ms=received_ms if status in _ENDED else None,
        history=(State(status, received_ms),),
    )


def replace(later: Job, earlier: Job) -> Job:
    """Return the earlier job as it is after the later job began: Superseded, Canceled or unchanged."""
    if earlier.kind != later.kind or not earlier.running or not later.begun:
        return earlier
    if later.kind in _UNNUMBERED:
        return with_status(earlier, "Superseded", later.history[0].received_ms)
    if later.status == "AcceptedCanceled":
        return with_status(earlier, "Canceled", later.history[0].received_ms)
    return earlier


def with_status(job: Job, status: str, received_ms: int) -> Job:
    """Return the job with one more state, or the unchanged job if the status only repeats its last status.

    A status that reports progress does not restart a job that is done, canceled or superseded. A status that
    reports progress does restart a job that failed, because the charge point tries again.
    """
    if job.history[-1].status == status:
        return job
    history = (*job.history, State(status, received_ms))
    left_out = max(0, len(history) - STATES_KEPT)
    if left_out:
        history = (history[0], *history[1 + left_out :])
    ended = status in _ENDED
    counts = ended or job.status not in _DONE | _REPLACED
    return msgspec.structs.replace(
        job,
        status=status if counts else job.status,
        ended_ms=(received_ms if ended else None) if counts else job.ended_ms,
        history=history,
        left_out=job.left_out + left_out,
    )


def find_ended_by_idle(jobs: list[Job], message: Message, request_id: int | None) -> Job | None:
    """Return the running job that an Idle ends, or None.

    A charge point that reported progress and then says that it does nothing has lost the job, for example by
    a reboot. A job without progress may still begin, because its time may lie in the future.
    """
    job = find_for(jobs, message, request_id)
    return job if job is not None and job.running and len(job.history) > 1 else None


def find_for(jobs: list[Job], message: Message, request_id: int | None) -> Job | None:
    """Return the job that a status belongs to, or None.

    If several jobs have the request id, the status belongs to the latest job that the charge point agreed to
    do.
    """
    kind = KIND_OF[message]
    if kind in _UNNUMBERED:
        request_id = None
    elif request_id is None:
        return None
    found = [job for job in jobs if (job.kind, job.request_id) == (kind, request_id)]
    return max(found, key=lambda job: (job.begun, job.number), default=None)
