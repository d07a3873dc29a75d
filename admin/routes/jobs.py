"""Routes of jobs: firmware updates and log uploads of a charge point, with their progress."""

from typing import Annotated, Any, get_args

import msgspec
from quart import Response
from quart_schema import document_querystring, document_request, document_response

from admin.commands import PROBLEMS, CommandAnswer, WaitQuery, send
from admin.http import (
    Next,
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
from admin.http.openapi import describe_choices
from admin.http.times import Time
from admin.routes import ocpp_schemas
from admin.routes.members import ReceivedAt
from admin.services import current_store, services
from state.features import jobs
from state.features.job_record import Job, Kind

blueprint = new_blueprint("jobs", "Jobs")

_NUMBERED = frozenset({"GetLog", "SignedUpdateFirmware"})


class JobsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Annotated[Kind | None, msgspec.Meta(description="List only jobs that this action began.")] = None
    running: Annotated[
        bool | None,
        msgspec.Meta(description="true lists only running jobs, and false lists only jobs that have ended."),
    ] = None


class NewJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A job to begin."""

    action: Annotated[
        Kind,
        msgspec.Meta(
            description="The OCPP request to send. GetDiagnostics and GetLog upload a log; UpdateFirmware "
            "and SignedUpdateFirmware install firmware."
        ),
    ]
    payload: Annotated[
        dict[str, Any],
        msgspec.Meta(
            description="Payload of the OCPP request; the payload is described by the schema that has the "
            "same name as the action. For GetLog and SignedUpdateFirmware, `requestId` may be left out. "
            "csms then chooses a free id."
        ),
    ]


class JobState(msgspec.Struct, frozen=True):
    """A status of a job."""

    status: Annotated[
        str,
        msgspec.Meta(
            description="The status that the charge point sent, or the status Canceled or Superseded that "
            "csms set because of a later job.",
            examples=["Downloading"],
        ),
    ]
    received_at: Annotated[Time, msgspec.Meta(description="When the gateway received the status.")]


class JobAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A firmware update or a log upload."""

    id: Annotated[
        str,
        msgspec.Meta(
            description="Id of the job, which is the id of the command that began the job.",
            examples=["a3.Zt1bnqkC9T4Yl2rH0dW5uA"],
        ),
    ]
    kind: Annotated[Kind, msgspec.Meta(description="The OCPP action that began the job.")]
    request_id: Annotated[
        int | None,
        msgspec.Meta(
            description="requestId of the OCPP request. null means that this action has no requestId."
        ),
    ]
    status: Annotated[
        str,
        msgspec.Meta(
            description="The present status of the job. Once the status is Installed, Uploaded, Canceled or "
            "Superseded, it can change only to another status that ends a job. csms itself sets three "
            "statuses. NoFile means that the charge point has no diagnostics to upload. Canceled means that "
            "the charge point ended this job because of a later job. Superseded means that a later job of "
            "this kind began. The status messages of this kind do not say to which job they belong, so csms "
            "assigns all further status messages to the later job.",
            examples=["Installed"],
        ),
    ]
    running: Annotated[bool, msgspec.Meta(description="Whether the job has not ended yet.")]
    payload: Annotated[
        Any,
        msgspec.Meta(
            description="Payload of the OCPP request, without the certificate and the signature. Credentials "
            "in URLs are masked.",
            extra_json_schema={"type": "object"},
        ),
    ]
    file_name: Annotated[
        str | None,
        msgspec.Meta(
            description="Name of the uploaded file. null means that the charge point has not reported a file "
            "name."
        ),
    ]
    answered_at: Annotated[
        Time,
        msgspec.Meta(
            description="When the charge point answered the request. The job began with this answer."
        ),
    ]
    ended_at: Annotated[
        Time | None, msgspec.Meta(description="When the job ended. null means that the job is running.")
    ]
    history: Annotated[
        tuple[JobState, ...],
        msgspec.Meta(
            description="The answer that began the job, then each status in the order of arrival. The first "
            "entry and the latest 49 entries are kept."
        ),
    ]
    left_out: Annotated[
        int, msgspec.Meta(description="How many statuses after the first are no longer in `history`.")
    ]


class JobNote(msgspec.Struct, frozen=True, kw_only=True):
    """A status that belongs to no job that csms knows, such as Idle while no job has begun."""

    message: Annotated[
        str,
        msgspec.Meta(
            description="The OCPP message that reported the status.", examples=["FirmwareStatusNotification"]
        ),
    ]
    request_id: Annotated[
        int | None,
        msgspec.Meta(description="requestId of the message. null means that the message has no requestId."),
    ]
    status: Annotated[
        str, msgspec.Meta(description="The status, as the charge point sent it.", examples=["Idle"])
    ]
    received_at: ReceivedAt


class JobPage(msgspec.Struct, frozen=True):
    """The jobs of a charge point, and the statuses that belong to no job."""

    items: Annotated[tuple[JobAnswer, ...], msgspec.Meta(description="The latest 50 jobs, the newest first.")]
    next: Next
    notes: Annotated[
        tuple[JobNote, ...],
        msgspec.Meta(description="The latest 50 statuses that belong to no job, the newest first."),
    ]


def _describe_body() -> dict[str, Any]:
    """Describe the body of a new job, whose payload depends on its action."""
    described, schemas, choices = ocpp_schemas.with_texts(actions.schemas()), {}, []
    for action in get_args(Kind.__value__):
        name, schema = action, described[action]
        if action in _NUMBERED:
            name = f"{action}Job"
            required = [member for member in schema["required"] if member != "requestId"]
            schemas[name] = {**schema, "title": name, "required": required}
        payload = {"$ref": f"#/components/schemas/{name}", "description": f"Payload of {action}."}
        properties = {
            "action": {"const": action, "description": "The OCPP request to send."},
            "payload": payload,
        }
        choices.append({"properties": properties})
    log = {"logType": "SecurityLog", "log": {"remoteLocation": "https://logs.example/up"}}
    body = describe_choices(NewJob, choices, {"action": "GetLog", "payload": log})
    return {**body, "schemas": body["schemas"] | schemas}


_BASE = "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/jobs"


@blueprint.get(_BASE)
@document_querystring(JobsQuery)
@document_response(JobPage)
async def list_jobs(tenant: str, charge_point: str) -> Response:
    """List the jobs of a charge point.

    There is one job for each UpdateFirmware, SignedUpdateFirmware, GetDiagnostics and GetLog that the charge
    point answered. csms sends nothing to the charge point.
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
@describes(problems=PROBLEMS, **_describe_body())
async def begin_job(tenant: str, charge_point: str) -> Response:
    """Ask a charge point to update its firmware or to upload a log.

    csms sends the command that `action` names. The job exists as soon as the charge point has answered. The
    id of the job is the id of the command.
    """
    asked, wanted, store = bodies.query(WaitQuery), await bodies.body(NewJob), current_store()
    await lookup.charge_point(store, tenant, charge_point)
    payload = wanted.payload
    if wanted.action in _NUMBERED and "requestId" not in payload:
        # The payload is checked before an id is chosen, so that a refused request does not use up an id.
        actions.read_member(wanted.action, {**payload, "requestId": 0})
        chosen = await jobs.new_request_id(store, tenant, charge_point)
        payload = {
            **payload,
            "requestId": must_exist(chosen, "charge point"),
        }  # The charge point may have been deleted a moment ago.
    request = actions.read_member(wanted.action, payload)
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
    """Delete a job from the list.

    csms sends nothing to the charge point, so a running update or upload continues. Later statuses of the job
    appear in the member `notes` of the list of jobs.
    """
    must_exist(await jobs.delete(current_store(), tenant, charge_point, job), "job")
    return bodies.no_content()


def _answer(job: Job) -> JobAnswer:
    return convert(
        job,
        JobAnswer,
        answered_at=times.text(job.history[0].received_ms),
        history=convert_all(job.history, JobState),
    )
