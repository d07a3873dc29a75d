"""Routes of the local authorisation list that a charge point should have.

These routes send nothing to the charge point. The route `local-list/send` sends the list.
"""

from datetime import datetime
from typing import Annotated

import msgspec
from quart import Response
from quart_schema import document_querystring, document_request, document_response

from admin.http import (
    Next,
    Paging,
    Problem,
    bodies,
    convert,
    describes,
    invalid,
    lookup,
    must_exist,
    new_blueprint,
    pointer,
    times,
)
from admin.http.times import Time
from admin.routes.local_lists.entries import STATUSES, EntryAnswer, page_of
from admin.services import current_store
from state.features import local_lists
from state.features.local_list_entries import ENTRIES, Entries, Entry, Line, Status
from state.features.local_lists import Desired, TooLong
from state.tenants import id_tags
from state.tenants.id_tags import IdTag, fold

blueprint = new_blueprint("local_lists", "Local lists")

_PATH = "/v1/tenants/<name:tenant>/charge-points/<name:charge_point>/local-list"
_AT_ONCE = 1000

Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=20)]  # OCPP 1.6: IdToken is a CiString20Type.


class NewEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of the local list: an id tag, and how the charge point handles the tag while offline."""

    id_tag: Annotated[Tag, msgspec.Meta(description="The id tag.", examples=["04A2B3C4D5"])]
    status: Annotated[Status, msgspec.Meta(description=STATUSES)] = "Accepted"
    expiry_date: Annotated[
        Annotated[datetime, msgspec.Meta(tz=True)] | None,
        msgspec.Meta(
            description="When the tag expires, as RFC 3339 with a time zone. null means that the tag never "
            "expires.",
            examples=["2030-01-01T00:00:00Z"],
        ),
    ] = None
    parent_id_tag: Annotated[
        Tag | None,
        msgspec.Meta(
            description="Parent id tag, which names a group: id tags with the same parent may stop each "
            "other's transactions. null means that the tag has no parent."
        ),
    ] = None


class NewList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole list that the charge point should have."""

    entries: Annotated[
        tuple[NewEntry, ...],
        msgspec.Meta(
            max_length=ENTRIES,
            description="All entries. A body of 256 KiB has room for about 4,000 entries. To add more "
            "entries, use PATCH.",
        ),
    ]


class ListChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change to the list that the charge point should have. Id tags are compared without regard to case."""

    put: Annotated[
        tuple[NewEntry, ...],
        msgspec.Meta(
            max_length=ENTRIES,
            description="Entries to add. A new entry replaces an entry with the same id tag.",
        ),
    ] = ()
    remove: Annotated[
        tuple[Tag, ...],
        msgspec.Meta(
            max_length=ENTRIES, description="Id tags to remove. Id tags that are not on the list are ignored."
        ),
    ] = ()


class DesiredAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The list that the charge point should have, without its entries."""

    revision: Annotated[
        int,
        msgspec.Meta(description="Number of edits of the list so far. 0 means that the list was never set."),
    ]
    edited_at: Annotated[
        Time | None,
        msgspec.Meta(description="When the list was last edited. null means that the list was never set."),
    ]
    count: Annotated[int, msgspec.Meta(description="How many entries the whole list has.")]


class DesiredPage(DesiredAnswer, frozen=True, kw_only=True):
    """A page of the list that the charge point should have."""

    items: Annotated[
        tuple[EntryAnswer, ...],
        msgspec.Meta(description="The entries of this page, sorted by id tag without regard to case."),
    ]
    next: Next


@blueprint.get(_PATH)
@document_querystring(Paging)
@document_response(DesiredPage)
async def get_local_list(tenant: str, charge_point: str) -> Response:
    """Read the local list that a charge point should have."""
    asked, store = bodies.query(Paging), current_store()
    found = await local_lists.read(store, await lookup.charge_point_keys(store, tenant, charge_point))
    page = page_of(found.desired, asked)
    return bodies.answer(convert(found.heads.desired, DesiredPage, items=page.items, next=page.next))


@blueprint.put(_PATH)
@document_request(NewList)
@document_response(DesiredAnswer)
async def put_local_list(tenant: str, charge_point: str) -> Response:
    """Replace the local list that a charge point should have.

    csms sends nothing to the charge point. To send the list, use `local-list/send`.
    """
    keys = await lookup.charge_point_keys(current_store(), tenant, charge_point)
    entries = _read_entries((await bodies.body(NewList)).entries, "entries")
    return _respond(await local_lists.replace(current_store(), keys, entries))


@blueprint.patch(_PATH)
@document_request(ListChange)
@document_response(DesiredAnswer)
@describes(
    problems={422: "The request is not valid. `errors` lists each error with its place in the request."}
)
async def change_local_list(tenant: str, charge_point: str) -> Response:
    """Add, replace and remove entries of the local list that a charge point should have.

    csms sends nothing to the charge point. To send the list, use `local-list/send`.
    """
    keys = await lookup.charge_point_keys(current_store(), tenant, charge_point)
    wanted = await bodies.body(ListChange)
    put = _read_entries(wanted.put, "put")
    for number, tag in enumerate(wanted.remove):
        if fold(tag) in put:
            raise invalid(
                f"{tag} is in both `put` and `remove`; name it in one of them.",
                pointer=pointer(["remove", str(number)]),
            )
    lines: list[Line] = [(tag, None) for tag in wanted.remove]
    lines += [(entry.id_tag, entry) for entry in put.values()]
    return _respond(await local_lists.edit(current_store(), keys, lines))


@blueprint.post(f"{_PATH}/from-id-tags")
@document_response(DesiredAnswer)
@describes(problems={409: "The tenant has more id tags than a local list may have."})
async def copy_id_tags(tenant: str, charge_point: str) -> Response:
    """Copy the id tags of the tenant into the local list that a charge point should have.

    The status, the expiry date and the parent of each id tag are copied as they are now. Later changes of id
    tags are not copied. csms sends nothing to the charge point.
    """
    keys = await lookup.charge_point_keys(current_store(), tenant, charge_point)
    found: list[IdTag] = []
    cursor: str | None = None
    while True:
        page = await id_tags.list_(current_store(), tenant, cursor=cursor, limit=_AT_ONCE)
        found += page.items
        cursor = page.next
        if len(found) > ENTRIES:
            raise Problem(
                409,
                "too-many-id-tags",
                f"The tenant has more id tags than the {ENTRIES} entries that a local list may have.",
            )
        if cursor is None:
            break
    entries = (Entry(tag.tag, tag.status, tag.expiry_date, tag.parent_id_tag) for tag in found)
    return _respond(
        await local_lists.replace(current_store(), keys, {fold(entry.id_tag): entry for entry in entries})
    )


def _read_entries(given: tuple[NewEntry, ...], field: str) -> Entries:
    """Return the entries by id tag in lower case. Raises Problem (422) if an id tag is given twice."""
    found: Entries = {}
    for number, one in enumerate(given):
        folded = fold(one.id_tag)
        if folded in found:
            raise invalid(
                f"{one.id_tag} is given twice; upper and lower case make no difference, so give it once.",
                pointer=pointer([field, str(number), "id_tag"]),
            )
        expiry = None
        if one.expiry_date is not None:
            expiry = times.utc_text(one.expiry_date, field, str(number), "expiry_date")
        found[folded] = Entry(one.id_tag, one.status, expiry, one.parent_id_tag)
    return found


def _respond(outcome: Desired | TooLong | None) -> Response:
    stored = must_exist(outcome, "charge point")  # The charge point may have been deleted a moment ago.
    if isinstance(stored, TooLong):
        detail = f"The list would have {stored.entries} entries; it may have {ENTRIES} at most."
        raise invalid(detail)
    return bodies.answer(convert(stored, DesiredAnswer))
