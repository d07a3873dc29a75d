"""Which state a job has after statuses in any order, and to which job a status belongs."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from state.features import job_record
from state.features.job_record import STATES_KEPT, Job, State, find_for, replace, with_status

STATUSES = (
    "DownloadScheduled",
    "Downloading",
    "Downloaded",
    "SignatureVerified",
    "Installing",
    "InstallRebooting",
    "Installed",
    "DownloadFailed",
    "InvalidSignature",
    "InstallationFailed",
    "Uploading",
    "Uploaded",
    "UploadFailure",
)
FINAL = {
    "Installed",
    "DownloadFailed",
    "InvalidSignature",
    "InstallationFailed",
    "Uploaded",
    "UploadFailure",
}


def a_job(
    status: str = "Accepted", *, kind: job_record.Kind = "SignedUpdateFirmware", **changes: object
) -> Job:
    job = job_record.begin(
        "c",
        kind,
        status,
        1,
        request_id=7 if "Sign" in kind or "Log" in kind else None,
        payload=b"{}",
        file_name=None,
    )
    return msgspec.structs.replace(job, **changes)


def after(job: Job, *statuses: str) -> Job:
    for at, status in enumerate(statuses, 2):
        job = with_status(job, status, at)
    return job


def test_a_firmware_update_is_running_until_it_is_installed() -> None:
    job = after(a_job(), "Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting")
    assert (job.status, job.running, job.ended_ms) == ("InstallRebooting", True, None)
    job = after(job, "Installed")
    assert (job.status, job.running, job.ended_ms) == ("Installed", False, 2)
    assert [state.status for state in job.history][0::6] == ["Accepted", "Installed"]


def test_a_late_progress_status_does_not_restart_a_finished_job() -> None:
    job = after(a_job(), "Downloading", "Installed", "InstallRebooting")
    assert (job.status, job.running, job.ended_ms) == ("Installed", False, 3)
    assert job.history[-1] == State("InstallRebooting", 4)


def test_a_job_that_failed_runs_again_if_the_charge_point_retries_and_may_then_succeed() -> None:
    job = after(a_job(), "Downloading", "DownloadFailed", "Downloading")
    assert (job.status, job.running) == ("Downloading", True)
    job = after(a_job(), "InstallationFailed", "Installed")
    assert (job.status, job.running, job.ended_ms) == ("Installed", False, 3)


def test_a_job_that_was_refused_has_ended_but_a_later_status_restarts_it() -> None:
    for word in ("Rejected", "InvalidCertificate", "RevokedCertificate"):
        job = a_job(word)
        assert (job.running, job.begun, job.ended_ms) == (False, False, 1)
    assert after(a_job("Rejected"), "Downloading").running


def test_a_new_job_ends_an_older_running_job_of_the_same_kind() -> None:
    running, ended = after(a_job(), "Downloading"), after(a_job(), "Installed")
    assert replace(a_job("AcceptedCanceled"), running).status == "Canceled"
    assert replace(a_job("Accepted"), running) is running
    assert replace(a_job("Rejected"), running) is running
    assert replace(a_job("AcceptedCanceled"), ended) is ended
    assert replace(a_job("AcceptedCanceled", kind="GetLog"), running) is running
    plain = a_job(kind="UpdateFirmware")
    assert replace(a_job(kind="UpdateFirmware"), plain).status == "Superseded"
    uploads = a_job(kind="GetDiagnostics")
    assert replace(a_job("NoFile", kind="GetDiagnostics"), uploads) is uploads


def test_a_job_that_was_canceled_does_not_run_again() -> None:
    job = after(replace(a_job("AcceptedCanceled"), a_job()), "Downloading")
    assert (job.status, job.running) == ("Canceled", False)
    assert after(job, "DownloadFailed").status == "DownloadFailed"


def test_a_status_with_a_request_id_belongs_to_the_job_with_that_request_id() -> None:
    seven = a_job(number=1)
    eight = a_job(number=2, request_id=8, id="d")
    jobs = [seven, eight]
    message: job_record.Message = "SignedFirmwareStatusNotification"
    assert find_for(jobs, message, 7) is seven
    assert find_for(jobs, message, 8) is eight
    assert find_for(jobs, message, 9) is None
    assert find_for(jobs, message, None) is None
    assert find_for(jobs, "LogStatusNotification", 7) is None
    assert find_for(jobs, "FirmwareStatusNotification", None) is None


def test_a_status_whose_request_id_belongs_to_two_jobs_counts_for_the_job_that_began_last() -> None:
    first, second, refused = (
        a_job(number=1, id="a"),
        a_job(number=2, id="b"),
        a_job("Rejected", number=3, id="c"),
    )
    assert find_for([first, second, refused], "SignedFirmwareStatusNotification", 7) is second
    assert find_for([refused], "SignedFirmwareStatusNotification", 7) is refused


def test_a_status_without_a_request_id_belongs_to_the_latest_job_of_the_same_kind() -> None:
    old, new = a_job(kind="UpdateFirmware", number=1), a_job(kind="UpdateFirmware", number=2)
    assert find_for([old, new], "FirmwareStatusNotification", None) is new


@given(st.lists(st.sampled_from(STATUSES), max_size=3 * STATES_KEPT))
def test_a_job_keeps_a_limited_number_of_statuses_and_the_last_one_decides_whether_the_job_runs(
    statuses: list[str],
) -> None:
    job = after(a_job(), *statuses)
    assert len(job.history) <= STATES_KEPT
    assert job.history[0].status == "Accepted"
    told = [s for s, before in zip(statuses, ["Accepted", *statuses], strict=False) if s != before]
    assert len(job.history) + job.left_out == 1 + len(told)
    assert [state.status for state in job.history[1:]] == told[job.left_out :]
    assert job.running == (job.status not in FINAL)
    assert (job.ended_ms is None) == job.running
    finals = [status for status in told if status in FINAL]
    if finals and finals[-1] in {"Installed", "Uploaded"}:
        assert job.status == finals[-1]


@given(st.lists(st.sampled_from(STATUSES), max_size=20))
def test_a_repeated_status_does_not_change_a_job(statuses: list[str]) -> None:
    job = after(a_job(), *statuses)
    assert with_status(job, job.history[-1].status, 99) is job
