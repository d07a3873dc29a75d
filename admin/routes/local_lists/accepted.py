"""Routes of the local authorisation list that a charge point has, as far as csms knows."""

from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_querystring, document_response

from admin.http import Next, Paging, bodies, convert, lookup, new_blueprint, times
from admin.http.times import Time
from admin.routes.local_lists.entries import EntryAnswer, UpdateKind, page_of
from admin.routes.members import CommandId
from admin.services import current_store
from gateway.ocpp16.messages.local_auth import UpdateStatus
from state.features import local_lists
from state.features.local_list_entries import are_same
from state.features.local_lists import Accepted, Answer

blueprint = new_blueprint("accepted_local_lists", "Local lists")

_PATH = "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/local-list/accepted"


class ReportedAnswer(msgspec.Struct, frozen=True):
    """An answer to GetLocalListVersion."""

    list_version: Annotated[
        int,
        msgspec.Meta(
            description="Version of the local list. 0 means that the list is empty. -1 means that the charge "
            "point does not support local lists.",
            examples=[7],
        ),
    ]
    at: Annotated[Time, msgspec.Meta(description="When the answer was recorded.")]


class UpdateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to SendLocalList."""

    status: Annotated[
        UpdateStatus,
        msgspec.Meta(
            description="Accepted means that the charge point updated its list. Failed means that the charge "
            "point did not update its list. NotSupported means that the charge point does not support local "
            "lists. VersionMismatch means that the version of a Differential does not fit the list of the "
            "charge point."
        ),
    ]
    update_type: UpdateKind
    list_version: Annotated[int, msgspec.Meta(description="listVersion of the SendLocalList.", examples=[7])]
    command: CommandId
    at: Annotated[Time, msgspec.Meta(description="When the answer was recorded.")]


class AcceptedPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the local list that the charge point has, according to its answers."""

    list_version: Annotated[
        int | None,
        msgspec.Meta(
            description="Version of the last update that the charge point accepted. null means that the "
            "charge point has accepted no update."
        ),
    ]
    stale: Annotated[
        bool,
        msgspec.Meta(
            description="Whether the charge point may have other entries than these. `stale` is true after "
            "the charge point reported another version, answered an update with a failure, or did not answer "
            "an update. `stale` is also true if the charge point has accepted only Differentials so far. "
            "`stale` becomes false when the charge point accepts a Full list."
        ),
    ]
    as_desired: Annotated[
        bool,
        msgspec.Meta(
            description="Whether these entries equal the entries of the list that the charge point should "
            "have. `as_desired` is also false if `stale` is true, or if the charge point has accepted no "
            "list."
        ),
    ]
    update: Annotated[
        UpdateAnswer | None,
        msgspec.Meta(
            description="The last update that the charge point accepted. null means that the charge point "
            "has accepted no update."
        ),
    ]
    last_answer: Annotated[
        UpdateAnswer | None,
        msgspec.Meta(
            description="The last answer of the charge point to an update, whatever the answer was. null "
            "means that the charge point has answered no update."
        ),
    ]
    reported: Annotated[
        ReportedAnswer | None,
        msgspec.Meta(
            description="The last answer of the charge point to GetLocalListVersion. null means that the "
            "charge point has answered no GetLocalListVersion."
        ),
    ]
    count: Annotated[int, msgspec.Meta(description="How many entries the whole list has.")]
    items: Annotated[
        tuple[EntryAnswer, ...],
        msgspec.Meta(description="The entries of this page, sorted by id tag without regard to case."),
    ]
    next: Next


@blueprint.get(_PATH)
@document_querystring(Paging)
@document_response(AcceptedPage)
async def get_accepted_local_list(tenant: str, charge_point: str) -> Response:
    """Read the local list that a charge point has, as far as csms knows.

    csms sends nothing to the charge point.
    """
    asked, store = bodies.query(Paging), current_store()
    found = await local_lists.read(store, await lookup.charge_point_keys(store, tenant, charge_point))
    accepted, answer, reported = found.heads.accepted, found.heads.answer, found.heads.reported
    page = page_of(found.accepted, asked)
    return bodies.answer(
        AcceptedPage(
            list_version=None if accepted is None else accepted.list_version,
            stale=accepted is not None and accepted.stale,
            as_desired=found.heads.known and are_same(found.accepted, found.desired),
            update=None if accepted is None else _update(accepted, "Accepted", accepted.accepted_ms),
            last_answer=None if answer is None else _update(answer, answer.status, answer.answered_ms),
            reported=None
            if reported is None
            else ReportedAnswer(reported.list_version, times.text(reported.reported_ms)),
            count=len(found.accepted),
            items=page.items,
            next=page.next,
        )
    )


@blueprint.delete(_PATH)
@document_response(None, 204)
async def forget_accepted_local_list(tenant: str, charge_point: str) -> Response:
    """Forget the local list of a charge point, for instance after the charge point has lost its memory.

    csms sends nothing to the charge point. The next update is a Full list with version 1, unless the request
    to `local-list/send` asks for a Differential or for another version.
    """
    await local_lists.forget(
        current_store(), await lookup.charge_point_keys(current_store(), tenant, charge_point)
    )
    return bodies.no_content()


def _update(of: Accepted | Answer, status: UpdateStatus, at_ms: int) -> UpdateAnswer:
    return convert(of, UpdateAnswer, status=status, command=of.command_id, at=times.text(at_ms))
