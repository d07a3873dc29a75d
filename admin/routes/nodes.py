"""Routes of nodes: the gateway and admin processes of the whole system."""

from typing import Annotated, Literal

import msgspec
from quart import Response, g
from quart_schema import document_request, document_response

from admin.http import AllInOne, Problem, bodies, describes, must_exist, new_blueprint, not_found, times
from admin.http.times import Time
from admin.nodes import SeenNode
from admin.services import current_store, services
from state.nodes import orders
from state.nodes.inbox import Drain, DrainCancelled, Shed, ToGateway

blueprint = new_blueprint("nodes", "Nodes")

_BASE = "/v1/nodes"
_OPTIONAL = "null means that the process has not reported it, for example because its release does not."

WindowS = Annotated[
    Annotated[float, msgspec.Meta(ge=0, le=86_400)] | None,
    msgspec.Meta(
        description="Seconds over which the gateway spreads its CLOSE frames. null means the setting "
        "`drain.window_s` of the gateway."
    ),
]
NodeId = Annotated[
    str,
    msgspec.Meta(
        description="Id of the process, which is new with each start. `node` in the connection of a charge "
        "point is the same id.",
        examples=["3f9c0a5d7e21b846"],
    ),
]


class NodeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway or admin process."""

    id: NodeId
    kind: Annotated[
        Literal["gateway", "admin"] | None,
        msgspec.Meta(
            description="Whether it is a gateway or an admin process. null means that it is unknown."
        ),
    ]
    host: Annotated[
        str | None,
        msgspec.Meta(
            description="Name of the machine, or of the pod in Kubernetes. null means that it is unknown.",
            examples=["csms-gateway-0"],
        ),
    ]
    pid: Annotated[
        int | None, msgspec.Meta(description="Id of the process on its host. null means that it is unknown.")
    ]
    version: Annotated[
        str | None, msgspec.Meta(description=f"Release of csms. {_OPTIONAL}", examples=["1.0.0"])
    ]
    format: Annotated[
        int | None,
        msgspec.Meta(
            description="Newest form of the store that the process can read. null means that it is unknown."
        ),
    ]
    since: Annotated[
        Time | None, msgspec.Meta(description="When the process started. null means that it is unknown.")
    ]
    alive: Annotated[
        bool,
        msgspec.Meta(
            description="Whether the process lives. false means that the admin process that answers has seen "
            "no heartbeat for 10 seconds. An admin process that has just started believes that all live."
        ),
    ]
    last_beat_s: Annotated[
        float,
        msgspec.Meta(
            description="Seconds since the admin process that answers saw a heartbeat. Heartbeats come every "
            "3 seconds. An admin process that has just started counts from its start."
        ),
    ]
    dead_since: Annotated[
        Time | None,
        msgspec.Meta(description="When a dead process was last heard. null means that the process lives."),
    ]
    sessions: Annotated[
        int | None,
        msgspec.Meta(
            description="Number of open sessions of charge points at the last heartbeat. null for an admin "
            f"process. {_OPTIONAL}"
        ),
    ]
    draining: Annotated[
        bool | None,
        msgspec.Meta(
            description="Whether the gateway drained at the last heartbeat. null for an admin process. "
            f"{_OPTIONAL}"
        ),
    ]
    lag_ms: Annotated[
        float | None,
        msgspec.Meta(
            description="How many milliseconds late the event loop ran its timers, as the 99th percentile of "
            f"the last minute. More than 100 means that the process is overloaded. {_OPTIONAL}"
        ),
    ]


class NodePage(msgspec.Struct, frozen=True):
    """All processes: the gateways first, sorted by host and start."""

    items: Annotated[
        tuple[NodeAnswer, ...],
        msgspec.Meta(description="All processes, and those that died in the last 10 minutes."),
    ]
    next: AllInOne = None


class DrainOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How fast the gateway closes its sessions."""

    window_s: WindowS = None


class ShedOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many sessions the gateway closes, and how fast."""

    percent: Annotated[
        float,
        msgspec.Meta(ge=1, le=100, description="Share of the open sessions, in percent.", examples=[33]),
    ]
    window_s: WindowS = None


class OrderAnswer(msgspec.Struct, frozen=True):
    """The gateway process has been asked, and obeys within a moment."""

    node: NodeId


_AWAY = "The gateway does not answer, so nothing was done."
_PROBLEMS = {
    409: "The node is not a gateway, or the release of the gateway does not know this order.",
    503: _AWAY,
}


@blueprint.get(_BASE)
@document_response(NodePage)
async def list_nodes() -> Response:
    """List the gateway and admin processes. Only a key for all tenants may read this list."""
    _require_all_tenants()
    return bodies.answer(NodePage(tuple(map(_answer, await services().nodes.look()))))


@blueprint.get(f"{_BASE}/<name:node>")
@document_response(NodeAnswer)
async def get_node(node: str) -> Response:
    """Return one gateway or admin process."""
    _require_all_tenants()
    seen = {one.state.incarnation: one for one in await services().nodes.look()}
    return bodies.answer(_answer(must_exist(seen.get(node), "node")))


@blueprint.post(f"{_BASE}/<name:node>/drain")
@document_request(DrainOrder)
@document_response(OrderAnswer, 202)
@describes(problems=_PROBLEMS)
async def drain_node(node: str) -> Response:
    """Drain a gateway: it refuses new sessions, and closes the open ones, idle charge points first.

    The process lives on, not ready and empty, until the drain is cancelled or the process gets SIGTERM. A
    second drain replaces the first one. A process that starts again is not drained.
    """
    _require_all_tenants()
    order = await bodies.body(DrainOrder)
    return await _send(node, Drain(order.window_s))


@blueprint.delete(f"{_BASE}/<name:node>/drain")
@document_response(OrderAnswer, 202)
@describes(problems=_PROBLEMS)
async def cancel_drain(node: str) -> Response:
    """Cancel a drain or a shedding. The gateway accepts sessions again, and closes no more of them.

    A gateway that drains because of SIGTERM goes on to drain.
    """
    _require_all_tenants()
    return await _send(node, DrainCancelled())


@blueprint.post(f"{_BASE}/<name:node>/shed")
@document_request(ShedOrder)
@document_response(OrderAnswer, 202)
@describes(problems=_PROBLEMS)
async def shed_sessions(node: str) -> Response:
    """Close a share of a gateway's sessions, so that they connect again, perhaps to other gateways.

    The gateway closes sessions of idle charge points first, and those with a transaction last. It goes on to
    accept sessions, so the load balancer decides where a charge point connects. A gateway that drains ignores
    this order. A new order replaces a shedding that has not ended.
    """
    _require_all_tenants()
    order = await bodies.body(ShedOrder)
    return await _send(node, Shed(order.percent, order.window_s))


async def _send(node: str, order: ToGateway) -> Response:
    match await orders.send(current_store(), node, order):
        case "sent":
            return bodies.answer(OrderAnswer(node), 202)
        case "unknown":
            raise not_found("node")
        case "not_a_gateway":
            raise Problem(409, "not-a-gateway", "The node is an admin process. Only gateways have sessions.")
        case "too_old":
            raise Problem(
                409,
                "gateway-too-old",
                "The release of this gateway does not know the order. Send it SIGTERM.",
            )
        case "away":
            raise Problem(503, "gateway-away", f"{_AWAY} Try again.", headers={"Retry-After": "5"})


def _answer(seen: SeenNode) -> NodeAnswer:
    record = seen.state.node
    status = None if record is None else record.status
    known = {} if record is None else msgspec.structs.asdict(record)
    reported = {} if status is None else msgspec.structs.asdict(status)
    return NodeAnswer(
        id=seen.state.incarnation,
        kind=seen.state.kind,
        host=known.get("host"),
        pid=known.get("pid"),
        version=known.get("version") or None,
        format=known.get("format"),
        since=times.maybe_text(known.get("started_ms")),
        alive=seen.alive,
        last_beat_s=round(seen.silent_s, 1),
        dead_since=None if seen.alive else times.text(_ago(seen.silent_s)),
        sessions=reported.get("sessions"),
        draining=reported.get("draining"),
        lag_ms=reported.get("lag_ms"),
    )


def _ago(seconds: float) -> int:
    return current_store().server_time_ms() - round(seconds * 1000)


def _require_all_tenants() -> None:
    if g.api_key.tenants is not None:
        raise not_found("page")
