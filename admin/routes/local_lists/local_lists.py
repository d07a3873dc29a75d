"""Local authorisation lists: what a charge point should have, and what it has as far as we know."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import msgspec
from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag_blueprint

from admin.http import bodies, times
from admin.http.listing import Next, Paging
from admin.http.lookup import keys_of
from admin.http.openapi import describes
from admin.http.problems import Fault, Problem, invalid, not_found, pointer
from admin.services import services
from gateway.ocpp16.messages.local_auth import UpdateStatus, UpdateType
from state.features import local_lists
from state.features.local_list_entries import ENTRIES, Entries, Entry, Line, Status, are_same
from state.features.local_lists import Desired, TooLong
from state.paging import BadCursor, decode_cursor, encode_cursor
from state.tenants import id_tags
from state.tenants.id_tags import IdTag, fold

blueprint = Blueprint("local_lists", __name__)
tag_blueprint(blueprint, ["Local lists"])

_PATH = "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/local-list"
_AT_ONCE = 1000

Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=20)]  # OCPP 1.6: IdToken is a CiString20Type.


class NewEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An id tag and what the charge point is to know of it."""

    id_tag: Annotated[Tag, msgspec.Meta(examples=["04A2B3C4D5"])]
    status: Status = "Accepted"
    expiry_date: Annotated[
        Annotated[datetime, msgspec.Meta(tz=True)] | None,
        msgspec.Meta(description="RFC 3339 with a zone.", examples=["2030-01-01T00:00:00Z"]),
    ] = None
    parent_id_tag: Tag | None = None


class NewList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole list; a body has room for some 4,000 entries, so send more in several PATCHes."""

    entries: Annotated[tuple[NewEntry, ...], msgspec.Meta(max_length=ENTRIES)]


class ListChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What comes onto the list or is replaced there, and what goes. Letters compare without case."""

    put: Annotated[tuple[NewEntry, ...], msgspec.Meta(max_length=ENTRIES)] = ()
    remove: Annotated[
        tuple[Tag, ...], msgspec.Meta(max_length=ENTRIES, description="What is not on the list is no fault.")
    ] = ()


class EntryAnswer(msgspec.Struct, frozen=True):
    """An entry, as it is or would be sent."""

    id_tag: str
    status: Status
    expiry_date: str | None
    parent_id_tag: str | None


class DesiredAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The list that the charge point should have, without its entries."""

    revision: Annotated[int, msgspec.Meta(description="One more with every edit; 0: it was never set.")]
    edited_at: str | None
    count: Annotated[int, msgspec.Meta(description="Of its entries.")]


class DesiredPage(DesiredAnswer, frozen=True, kw_only=True):
    """The list that the charge point should have, by id tag with letters folded."""

    items: tuple[EntryAnswer, ...]
    next: Next


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
@document_response(DesiredPage)
async def get_local_list(tenant: str, charge_point: str) -> Response:
    """Read the local list that a charge point should have."""
    asked = bodies.query(Paging)
    found = await local_lists.read(services().store, await keys_of(tenant, charge_point))
    items, after = _page(found.desired, asked)
    summary = _desired(found.heads.desired)
    return bodies.answer(
        DesiredPage(
            revision=summary.revision,
            edited_at=summary.edited_at,
            count=summary.count,
            items=items,
            next=after,
        )
    )


@blueprint.put(_PATH)
@document_request(NewList)
@document_response(DesiredAnswer)
async def put_local_list(tenant: str, charge_point: str) -> Response:
    """Replace the local list that a charge point should have.

    Nothing is sent before somebody asks for it.
    """
    keys, wanted = await keys_of(tenant, charge_point), await bodies.body(NewList)
    entries = _entries(wanted.entries, "entries")
    return _stored(await local_lists.replace(services().store, keys, entries))


@blueprint.patch(_PATH)
@document_request(ListChange)
@document_response(DesiredAnswer)
@describes(problems={422: "The content is not valid; `errors` says what is wrong where."})
async def change_local_list(tenant: str, charge_point: str) -> Response:
    """Add, replace and remove entries of the local list that a charge point should have.

    Nothing is sent before somebody asks for it.
    """
    keys, wanted = await keys_of(tenant, charge_point), await bodies.body(ListChange)
    put = _entries(wanted.put, "put")
    for number, tag in enumerate(wanted.remove):
        if fold(tag) in put:
            raise invalid(
                Fault(
                    detail=f"{tag} cannot be both put and removed.", pointer=pointer(["remove", str(number)])
                )
            )
    lines: list[Line] = [(tag, None) for tag in wanted.remove]
    lines += [(entry.id_tag, entry) for entry in put.values()]
    return _stored(await local_lists.edit(services().store, keys, lines))


@blueprint.post(f"{_PATH}/from-id-tags")
@document_response(DesiredAnswer)
@describes(problems={409: "The tenant has more id tags than a local list may have."})
async def copy_id_tags(tenant: str, charge_point: str) -> Response:
    """Replace the local list that a charge point should have by the tenant's id tags.

    Status, expiry and parent as they are now; later changes of id tags do not follow by themselves.
    """
    keys, store = await keys_of(tenant, charge_point), services().store
    found: list[IdTag] = []
    cursor: str | None = None
    while True:
        page = await id_tags.list_(store, tenant, cursor=cursor, limit=_AT_ONCE)
        found += page.items
        cursor = page.next
        if len(found) > ENTRIES:
            raise Problem(409, "too-many-id-tags", f"A local list has at most {ENTRIES} entries here.")
        if cursor is None:
            break
    entries = (Entry(tag.tag, tag.status, tag.expiry_date, tag.parent_id_tag) for tag in found)
    return _stored(await local_lists.replace(store, keys, {fold(entry.id_tag): entry for entry in entries}))


@blueprint.get(f"{_PATH}/accepted")
@document_querystring(Paging)
@document_response(AcceptedPage)
async def get_accepted_local_list(tenant: str, charge_point: str) -> Response:
    """Read the local list that a charge point has, as far as we know."""
    asked = bodies.query(Paging)
    found = await local_lists.read(services().store, await keys_of(tenant, charge_point))
    accepted, answer, reported = found.heads.accepted, found.heads.answer, found.heads.reported
    items, after = _page(found.accepted, asked)
    return bodies.answer(
        AcceptedPage(
            list_version=None if accepted is None else accepted.list_version,
            stale=accepted is not None and accepted.stale,
            as_desired=found.heads.known and are_same(found.accepted, found.desired),
            update=None
            if accepted is None
            else UpdateAnswer(
                status="Accepted",
                update_type=accepted.update_type,
                list_version=accepted.list_version,
                command=accepted.command_id,
                at=times.text(accepted.accepted_ms),
            ),
            last_answer=None
            if answer is None
            else UpdateAnswer(
                status=answer.status,
                update_type=answer.update_type,
                list_version=answer.list_version,
                command=answer.command_id,
                at=times.text(answer.answered_ms),
            ),
            reported=None
            if reported is None
            else ReportedAnswer(reported.list_version, times.text(reported.reported_ms)),
            count=len(found.accepted),
            items=items,
            next=after,
        )
    )


@blueprint.delete(f"{_PATH}/accepted")
@document_response(None, 204)
async def forget_accepted_local_list(tenant: str, charge_point: str) -> Response:
    """Forget what we believe of a charge point's local list, for instance after it lost its memory.

    It is not told. The next list that is sent is a Full one, unless a differential is asked for, and its
    version 1, unless another is given.
    """
    await local_lists.forget(services().store, await keys_of(tenant, charge_point))
    return bodies.no_content()


def _entries(given: tuple[NewEntry, ...], field: str) -> Entries:
    """Raises Problem (422) for a tag that is given twice."""
    found: Entries = {}
    for number, one in enumerate(given):
        folded = fold(one.id_tag)
        if folded in found:
            raise invalid(
                Fault(
                    detail=f"{one.id_tag} is given twice; letters compare without regard to case.",
                    pointer=pointer([field, str(number), "id_tag"]),
                )
            )
        expiry = None
        if one.expiry_date is not None:
            expiry = times.utc_text(one.expiry_date, field, str(number), "expiry_date")
        found[folded] = Entry(one.id_tag, one.status, expiry, one.parent_id_tag)
    return found


def _stored(outcome: Desired | TooLong | None) -> Response:
    match outcome:
        case None:  # Deleted a moment ago.
            raise not_found("charge point")
        case TooLong(entries):
            raise invalid(
                Fault(detail=f"A local list has at most {ENTRIES} entries here; this would be {entries}.")
            )
        case Desired():
            return bodies.answer(_desired(outcome))


def _desired(desired: Desired) -> DesiredAnswer:
    return DesiredAnswer(
        revision=desired.revision, edited_at=times.maybe_text(desired.edited_ms), count=desired.count
    )


def _page(entries: Mapping[str, Entry], asked: Paging) -> tuple[tuple[EntryAnswer, ...], str | None]:
    tags = sorted(entries)
    if asked.cursor is not None:
        try:
            after = decode_cursor(asked.cursor).decode()
        except UnicodeDecodeError:
            raise BadCursor from None
        tags = [tag for tag in tags if tag > after]
    shown = tags[: asked.limit]
    items = tuple(EntryAnswer(*msgspec.structs.astuple(entries[tag])) for tag in shown)
    return items, encode_cursor(shown[-1].encode()) if len(tags) > len(shown) else None
