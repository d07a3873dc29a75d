"""A job: an update or an upload that a charge point was asked for, and how it got on. Pure.

Statuses come with no time of their own, late, twice, and around a reboot in any order (whitepaper L01): each
is kept, and the last one that may count decides.
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
"""Whose progress each message tells."""

STATES_KEPT = 50
"""Of one job: the answer that began it, and the latest."""

_UNNUMBERED = frozenset({"GetDiagnostics", "UpdateFirmware"})
"""Without request id, so a status can only be of the latest."""
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
_ENDED = _NEVER_BEGUN | _FAILED | _DONE | _REPLACED


class State(msgspec.Struct, frozen=True, array_like=True):
    status: str
    received_ms: int


class Job(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`id` is its command's. `number`: its place among the charge point's. `payload`: the request in short.

    `status` is the charge point's own word, or ours: NoFile (GetDiagnostics has nothing to upload), Canceled
    (AcceptedCanceled answered a later one), Superseded (further statuses will be the later one's).
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
    """How many states gave way to later ones."""

    @property
    def running(self) -> bool:
        return self.ended_ms is None

    @property
    def begun(self) -> bool:
        """Whether the charge point said that it would."""
        return self.history[0].status not in _NEVER_BEGUN


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A status that belongs to no job we know; Idle belongs to none ever."""

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
    """A new job, with the status that answered the request. Its number is the list's to give."""
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
    """What becomes of a job that runs when a later one begins."""
    if earlier.kind != later.kind or not earlier.running or not later.begun:
        return earlier
    if later.kind in _UNNUMBERED:
        return with_status(earlier, "Superseded", later.history[0].received_ms)
    if later.status == "AcceptedCanceled":
        return with_status(earlier, "Canceled", later.history[0].received_ms)
    return earlier


def with_status(job: Job, status: str, received_ms: int) -> Job:
    """The job with one more state; itself if that only repeats the last one.

    What is done or was given up is not begun again by a status on its way; a failed one is, by a retry.
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


def find_for(jobs: list[Job], message: Message, request_id: int | None) -> Job | None:
    """The job that a status is of; of several with one request id the latest that was begun."""
    kind = KIND_OF[message]
    if kind in _UNNUMBERED:
        request_id = None
    elif request_id is None:
        return None
    found = [job for job in jobs if (job.kind, job.request_id) == (kind, request_id)]
    return max(found, key=lambda job: (job.begun, job.number), default=None)
