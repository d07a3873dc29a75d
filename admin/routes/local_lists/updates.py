"""Bringing a charge point's local list to what is desired, message by message."""

from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_querystring, document_request, document_response

from admin.commands import PROBLEMS, TimeoutQuery
from admin.http import Int32, bodies, describes, lookup, new_blueprint
from admin.routes.local_lists.plan import Kind
from admin.routes.local_lists.sending import Outcome, Step, send_list
from admin.services import services
from state.features.local_list_entries import ENTRIES

blueprint = new_blueprint("local_list_updates", "Local lists")


class SendRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to bring the charge point's list to what is desired."""

    type: Annotated[
        Kind,
        msgspec.Meta(
            description="full: all entries. differential: what differs from what it last accepted, and be "
            "it nothing. auto: a Differential if what it has is known and that is shorter, else Full; no "
            "message if nothing differs."
        ),
    ] = "auto"
    full_on_failure: Annotated[
        bool,
        msgspec.Meta(
            description="Answer Failed or VersionMismatch by a Full list of a higher version, once."
        ),
    ] = False
    version: Annotated[
        Int32 | None,
        msgspec.Meta(description="Of the first message. By default one more than the last that is known."),
    ] = None
    max_entries: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=ENTRIES)] | None,
        msgspec.Meta(
            description="Of one message; more are sent in several, with rising versions. By default the "
            "charge point's SendLocalListMaxLength if that is known; never more than 64 KiB."
        ),
    ] = None


class SendAnswer(msgspec.Struct, frozen=True):
    """What was sent, and how it ended."""

    outcome: Annotated[
        Outcome,
        msgspec.Meta(
            description="What the charge point answered to the last step; after anything but accepted no "
            "other step follows. waiting: too many requests wait here, so nobody has seen its answer yet. "
            "not_understood: its answer had no status that OCPP knows."
        ),
    ]
    steps: tuple[Step, ...]


@blueprint.post("/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/local-list/send")
@document_querystring(TimeoutQuery)
@document_request(SendRequest)
@document_response(SendAnswer, 200)
@document_response(SendAnswer, 202)
@describes(
    problems={
        **PROBLEMS,
        409: "The charge point is offline, or no list was ever set for it.",
        429: "Too many commands wait for this charge point. See Retry-After.",
    }
)
async def send_local_list(tenant: str, charge_point: str) -> Response:
    """Bring a charge point's local list to what is desired.

    Sends one SendLocalList, or several if the entries do not fit into one, each after the answer to the one
    before. 200 means that it has answered: look at `outcome`. In a problem, `steps` has those before it.
    """
    asked, wanted, held = bodies.query(TimeoutQuery), await bodies.body(SendRequest), services()
    done = await send_list(
        held,
        await lookup.charge_point_keys(held.store, tenant, charge_point),
        wanted.type,
        full_on_failure=wanted.full_on_failure,
        version=wanted.version,
        max_entries=wanted.max_entries,
        timeout_s=asked.timeout,
    )
    status = 202 if done.outcome == "waiting" else 200
    return bodies.answer(SendAnswer(done.outcome, tuple(done.steps)), status)
