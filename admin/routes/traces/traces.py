"""Routes of traces: recorded frames of a charge point, for operators and laboratories."""

from typing import Annotated, Literal

import msgspec
from quart import Response
from quart_schema import document_querystring, document_request, document_response

from admin.http import Next, Paging, Problem, bodies, describes, lookup, new_blueprint, not_found
from admin.http.files import take_place
from admin.routes.traces import answers, files
from admin.routes.traces.answers import FrameAnswer, TraceAnswer, TraceSettings, trace_answer
from admin.services import current_store, services
from state.paging import BadCursor
from state.store import Store
from state.traces import traces
from state.traces.traces import Direction, Trace, TraceEntry

_ROUNDS = 5
_AT_ONCE = 500

blueprint = new_blueprint("traces", "Traces")


class FrameQuery(Paging, frozen=True, forbid_unknown_fields=True):
    direction: Annotated[
        Direction | None,
        msgspec.Meta(
            description="`in` lists only frames from the charge point. `out` lists only frames to the charge "
            "point."
        ),
    ] = None
    action: Annotated[
        Annotated[str, msgspec.Meta(max_length=64)] | None,
        msgspec.Meta(
            description="List only calls of this OCPP action, and the answers to these calls.",
            examples=["Heartbeat"],
        ),
    ] = None
    format: Annotated[
        Literal["json", "jsonl", "text"],
        msgspec.Meta(
            description="With `json`, the answer is a page. With `jsonl` or `text`, the answer is a file of "
            "the whole trace, without regard to `limit` and `cursor`."
        ),
    ] = "json"

    def wants(self, entry: TraceEntry) -> bool:
        return (self.direction is None or entry.what == self.direction) and (
            self.action is None or entry.action == self.action
        )


class FramePage(msgspec.Struct, frozen=True):
    """A page of the frames and marks of a trace."""

    items: Annotated[
        tuple[FrameAnswer, ...],
        msgspec.Meta(description="The entries of this page, in the order in which they were recorded."),
    ]
    next: Next


@blueprint.put("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/trace")
@document_request(TraceSettings)
@document_response(TraceAnswer, 201)
@describes(
    problems={
        429: "The tenant already has as many running traces as it may have. `charge_points` names the charge "
        "points that have running traces.",
        507: "The store is nearly full, so it accepts no new trace.",
    }
)
async def start_trace(tenant: str, charge_point: str) -> Response:
    """Start to record the frames of a charge point.

    If the charge point is connected, recording begins now. Otherwise, recording begins with the next
    connection of the charge point. The trace continues when the charge point disconnects and connects again.
    Secrets are masked before frames are stored. The previous trace of the charge point is deleted. The frames
    are kept for 24 hours after the end of the trace. csms sends nothing to the charge point.
    """
    settings = await bodies.body(TraceSettings)
    current_store().headroom.require_room("scarce", "a trace")
    started = await traces.start(
        current_store(),
        tenant,
        charge_point,
        minutes=settings.minutes,
        frames=settings.frames,
        size=settings.bytes,
    )
    match started:
        case Trace():
            return bodies.answer(trace_answer(charge_point, started), 201)
        case traces.TooMany(of):
            raise Problem(
                429,
                "too-many-traces",
                f"{traces.RUNNING_MAX} traces are running, which is the maximum; stop one first.",
                headers={"Retry-After": "60"},
                members={"charge_points": of},
            )
        case None:
            raise not_found("charge point")


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/trace")
@document_response(TraceAnswer)
async def get_trace(tenant: str, charge_point: str) -> Response:
    """Read the state of the trace of a charge point, without its frames."""
    return bodies.answer(trace_answer(charge_point, await get(current_store(), tenant, charge_point)))


@blueprint.delete("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/trace")
@document_response(TraceAnswer)
async def stop_trace(tenant: str, charge_point: str) -> Response:
    """Stop the trace of a charge point.

    The frames of the trace are kept for 24 hours. If the trace has ended already, this request changes
    nothing.
    """
    await traces.stop(current_store(), tenant, charge_point)
    return bodies.answer(trace_answer(charge_point, await get(current_store(), tenant, charge_point)))


@blueprint.get("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/trace/frames")
@document_querystring(FrameQuery)
@document_response(FramePage)
@describes(
    responses={
        200: {
            "description": "The frames. In the format text, each line has the time, the direction and the "
            "frame. In the format jsonl, the first line is the trace, and each later line is a FrameAnswer. "
            "In both formats, the last line says whether the file is complete.",
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/FramePage"}},
                "text/plain": {"schema": {"type": "string"}},
                "application/jsonl": {"schema": {"type": "string"}},
            },
        }
    }
)
async def list_trace_frames(tenant: str, charge_point: str) -> Response:
    """List the recorded frames of a charge point, or download them as a file.

    With a filter, a page may have fewer items than `limit` although another page follows.
    """
    asked, store = bodies.query(FrameQuery), current_store()
    trace = await get(store, tenant, charge_point)
    if asked.format != "json":
        return _file(tenant, charge_point, trace, asked)
    place = ""
    if asked.cursor is not None:
        of, place = answers.decode_cursor(asked.cursor)
        if of != trace.id:
            raise BadCursor
    return bodies.answer(await _page(store, tenant, charge_point, trace, asked, place=place))


async def get(store: Store, tenant: str, charge_point: str) -> Trace:
    """Read a charge point's trace. Raises Problem (404)."""
    trace = await traces.get(store, tenant, charge_point)
    if trace is None:
        await lookup.charge_point(store, tenant, charge_point)
        raise not_found("trace")
    return trace


async def _page(
    store: Store, tenant: str, charge_point: str, trace: Trace, asked: FrameQuery, *, place: str
) -> FramePage:
    items: list[FrameAnswer] = []
    for _ in range(_ROUNDS):
        entries = await _entries(store, tenant, charge_point, trace, place)
        for at, entry in entries:
            if len(items) == asked.limit:
                return FramePage(tuple(items), answers.encode_cursor(trace.id, place))
            place = at
            if asked.wants(entry):
                items.append(answers.frame_answer(place, entry))
        if len(entries) < _AT_ONCE:
            return FramePage(tuple(items), None)
    return FramePage(tuple(items), answers.encode_cursor(trace.id, place))


async def _entries(
    store: Store, tenant: str, charge_point: str, trace: Trace, place: str
) -> list[tuple[str, TraceEntry]]:
    """Read the next entries. Raises Problem (404) if another trace has replaced this one."""
    read, entries = await traces.read(store, tenant, charge_point, after=place, limit=_AT_ONCE)
    if read is None or read.id != trace.id:
        raise not_found("trace")
    return entries


def _file(tenant: str, charge_point: str, trace: Trace, asked: FrameQuery) -> Response:
    """Raises Problem (503) if there are too many downloads."""
    found = services()
    place = take_place(found.downloads)
    form: files.Form = files.Text() if asked.format == "text" else files.JsonLines()
    parts = files.write(found.store, tenant, charge_point, trace, form=form, wants=asked.wants)
    response = Response(
        place.counted(parts),
        200,
        {"Content-Disposition": f'attachment; filename="trace-{trace.id}.{form.suffix}"'},
        content_type=form.content_type,
    )
    # The timeout of Quart would cut the file off. The server cuts off clients that do not read.
    response.timeout = None
    return response
