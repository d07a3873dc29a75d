"""The local authorisation list that a charge point has, as far as we know."""

from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_querystring, document_response

from admin.http import Next, Paging, bodies, convert, lookup, new_blueprint, times
from admin.routes.local_lists.entries import EntryAnswer, page_of
from admin.services import current_store
from gateway.ocpp16.messages.local_auth import UpdateStatus, UpdateType
from state.features import local_lists
from state.features.local_list_entries import are_same
from state.features.local_lists import Accepted, Answer

blueprint = new_blueprint("accepted_local_lists", "Local lists")

_PATH = "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/local-list/accepted"


class ReportedAnswer(msgspec.Struct, frozen=True):
    """An answer to GetLocalListVersion."""

    list_version: Annotated[
        int, msgspec.Meta(description="0: its list is empty. -1: it has no local lists.", examples=[7])
    ]
    at: str


class UpdateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to SendLocalList."""

    status: UpdateStatus
    update_type: UpdateType
    list_version: int
    command: str
    at: str


class AcceptedPage(msgspec.Struct, frozen=True, kw_only=True):
    """The list that the charge point has, as its answers tell, by id tag with letters folded."""

    list_version: Annotated[
        int | None, msgspec.Meta(description="Of the last update that it accepted; null: it accepted none.")
    ]
    stale: Annotated[
        bool,
        msgspec.Meta(
            description="It may have other entries than these: it reported another version, or failed at an "
            "update, or did not answer one, or its list was never replaced by a Full one. The next accepted "
            "Full list mends it."
        ),
    ]
    as_desired: Annotated[bool, msgspec.Meta(description="These are the entries that it should have.")]
    update: Annotated[UpdateAnswer | None, msgspec.Meta(description="The last update that it accepted.")]
    last_answer: Annotated[UpdateAnswer | None, msgspec.Meta(description="To any update, accepted or not.")]
    reported: ReportedAnswer | None
    count: Annotated[int, msgspec.Meta(description="Of the entries.")]
    items: tuple[EntryAnswer, ...]
    next: Next


@blueprint.get(_PATH)
@document_querystring(Paging)
@document_response(AcceptedPage)
async def get_accepted_local_list(tenant: str, charge_point: str) -> Response:
    """Read the local list that a charge point has, as far as we know."""
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
    """Forget what we believe of a charge point's local list, for instance after it lost its memory.

    It is not told. The next list that is sent is a Full one, unless a differential is asked for, and its
    version 1, unless another is given.
    """
    await local_lists.forget(
        current_store(), await lookup.charge_point_keys(current_store(), tenant, charge_point)
    )
    return bodies.no_content()


def _update(of: Accepted | Answer, status: UpdateStatus, at_ms: int) -> UpdateAnswer:
    return convert(of, UpdateAnswer, status=status, command=of.command_id, at=times.text(at_ms))
