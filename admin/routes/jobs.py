"""Jobs: firmware updates and uploads of logs that a charge point was asked for, and how they get on."""

from typing import Annotated, Any

import msgspec
from quart import Response
from quart_schema import document_querystring, document_request, document_response

from admin.commands import PROBLEMS, CommandAnswer, WaitQuery, send
from admin.http import (
    InputError,
    Next,
    Problem,
    actions,
    bodies,
    convert,
    convert_all,
    describes,
    lookup,
    must_exist,
    new_blueprint,
    times,
)
from admin.services import current_store, services
from state.features import jobs
from state.features.job_record import Job, Kind

blueprint = new_blueprint("jobs", "Jobs")

_NUMBERED = frozenset({"GetLog", "SignedUpdateFirmware"})


class JobsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Annotated[Kind | None, msgspec.Meta(description="Only jobs that this action began.")] = None
    running: Annotated[
        bool | None, msgspec.Meta(description="true: only those that run; false: only those that have ended.")
    ] = None


class NewJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to ask the charge point for."""

    action: Kind
    payload: Annotated[
        dict[str, Any],
        msgspec.Meta(
            description="Of the OCPP 1.6 request, as for a command. Without requestId, where the action has "
            "one, a free one is chosen.",
            examples=[{"logType": "SecurityLog", "log": {"remoteLocation": "https://logs.example/up"}}],
        ),
    ]


class JobState(msgspec.Struct, frozen=True):
    """A status, and when it came."""

    status: str
    received_at: str


class JobAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An update or an upload. Its id is that of the command which asked for it."""

    id: Annotated[str, msgspec.Meta(examples=["a3.Zt1bnqkC9T4Yl2rH0dW5uA"])]
    kind: Kind
    request_id: Annotated[int | None, msgspec.Meta(description="null: this action has none.")]
    status: Annotated[
        str,
        msgspec.Meta(
            description="The charge point's last word that counts, or: NoFile (it has no diagnostics to "
            "upload), Canceled (it gave this job up for a later one), Superseded (a later job of this kind "
            "was begun, and statuses of these name no job).",
            examples=["Installed"],
        ),
    ]
    running: bool
    payload: Annotated[
        Any,
        msgspec.Meta(
            description="The OCPP request without certificate and signature, credentials in it masked.",
            extra_json_schema={"type": "object"},
        ),
    ]
    file_name: Annotated[str | None, msgspec.Meta(description="Of the upload, if the charge point told.")]
    answered_at: str
    ended_at: str | None
    history: Annotated[
        tuple[JobState, ...],
        msgspec.Meta(description="The answer that began it, then each status in the order it came."),
    ]
    left_out: Annotated[int, msgspec.Meta(description="How many states behind the first are not kept.")]


class JobNote(msgspec.Struct, frozen=True, kw_only=True):
    """A status that belongs to no job known here. Idle never does."""

    message: str
    request_id: int | None
    status: str
    received_at: str


class JobPage(msgspec.Struct, frozen=True):
    """The latest 50 jobs of the charge point, and the latest 50 notes, newest first."""

    items: tuple[JobAnswer, ...]
    next: Next
    notes: tuple[JobNote, ...]


_BASE = "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/jobs"


@blueprint.get(_BASE)
@document_querystring(JobsQuery)
@document_response(JobPage)
async def list_jobs(tenant: str, charge_point: str) -> Response:
    """List a charge point's jobs.

    There is one for each UpdateFirmware, SignedUpdateFirmware, GetDiagnostics and GetLog that it answered.
    """
    asked, store = bodies.query(JobsQuery), current_store()
    await lookup.charge_point(store, tenant, charge_point)
    found = await jobs.read(store, tenant, charge_point)
    items = tuple(
        _answer(job)
        for job in found.items
        if asked.kind in {None, job.kind} and asked.running in {None, job.running}
    )
    return bodies.answer(JobPage(items, None, convert_all(found.notes, JobNote)))


@blueprint.post(_BASE)
@document_querystring(WaitQuery)
@document_request(NewJob)
@document_response(CommandAnswer, 200)
@document_response(CommandAnswer, 202)
@describes(problems=PROBLEMS)
async def begin_job(tenant: str, charge_point: str) -> Response:
    """Have a charge point update its firmware or upload a log.

    As the command of that action, with a requestId chosen where there is none. Once the charge point has
    answered, the job can be read under the command's id.
    """
    asked, wanted, store = bodies.query(WaitQuery), await bodies.body(NewJob), current_store()
    await lookup.charge_point(store, tenant, charge_point)
    payload = wanted.payload
    if wanted.action in _NUMBERED and "requestId" not in payload:
        # Looked through first: a request that is refused should use up no id.
        _read(wanted.action, {**payload, "requestId": 0})
        chosen = await jobs.new_request_id(store, tenant, charge_point)
        payload = {**payload, "requestId": must_exist(chosen, "charge point")}  # Deleted a moment ago.
    request = _read(wanted.action, payload)
    return send.respond(
        await send.send(services(), tenant, charge_point, request, timeout_s=asked.timeout, wait_s=asked.wait)
    )


@blueprint.get(f"{_BASE}/<name:job>")
@document_response(JobAnswer)
async def get_job(tenant: str, charge_point: str, job: str) -> Response:
    """Read a job."""
    found = await jobs.get(current_store(), tenant, charge_point, job)
    return bodies.answer(_answer(must_exist(found, "job")))


@blueprint.delete(f"{_BASE}/<name:job>")
@document_response(None, 204)
async def delete_job(tenant: str, charge_point: str, job: str) -> Response:
    """Forget a job.

    The charge point is told nothing: what runs there goes on, and its statuses become notes.
    """
    must_exist(await jobs.delete(current_store(), tenant, charge_point, job), "job")
    return bodies.no_content()


def _read(action: str, payload: dict[str, Any]) -> Any:
    """Raises Problem (422) that points into the body's payload."""
    try:
        return actions.read(action, msgspec.json.encode(payload))
    except Problem as problem:
        faults = [InputError(fault.detail, f"/payload{fault.pointer or ''}") for fault in problem.errors]
        raise Problem(
            problem.status, problem.kind, problem.detail, errors=faults, members=problem.members
        ) from None


def _answer(job: Job) -> JobAnswer:
    return convert(
        job,
        JobAnswer,
        answered_at=times.text(job.history[0].received_ms),
        history=convert_all(job.history, JobState),
    )
