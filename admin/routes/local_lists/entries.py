"""Entries of a local list as the API shows them, in pages."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from admin.http import Paging, times
from admin.http.times import Time
from gateway.ocpp16.messages.local_auth import UpdateType
from state.features.local_list_entries import Entry, Status
from state.paging import BadCursor, Page, decode_cursor, encode_cursor

STATUSES = (
    "How the charge point handles the tag. With Accepted, the driver may charge. With any other status, the "
    "charge point refuses the tag. Blocked means that the tag is blocked. Expired means that the tag is no "
    "longer valid. Invalid means that the tag is unknown. ConcurrentTx means that another transaction uses "
    "the tag."
)


UpdateKind = Annotated[
    UpdateType,
    msgspec.Meta(description="Full replaces the whole list. Differential changes some entries of the list."),
]


class EntryAnswer(msgspec.Struct, frozen=True):
    """An entry of a local list."""

    id_tag: Annotated[str, msgspec.Meta(description="The id tag.", examples=["04A2B3C4D5"])]
    status: Annotated[Status, msgspec.Meta(description=STATUSES)]
    expiry_date: Annotated[
        Time | None,
        msgspec.Meta(description="When the tag expires. null means that the tag never expires."),
    ]
    parent_id_tag: Annotated[
        str | None,
        msgspec.Meta(
            description="Parent id tag, which names a group: id tags with the same parent may stop each "
            "other's transactions. null means that the tag has no parent."
        ),
    ]


def page_of(entries: Mapping[str, Entry], asked: Paging) -> Page[EntryAnswer]:
    """Return a page of entries, sorted by id tag without regard to case. Raises BadCursor."""
    tags = sorted(entries)
    if asked.cursor is not None:
        try:
            after = decode_cursor(asked.cursor).decode()
        except UnicodeDecodeError:
            raise BadCursor from None
        tags = [tag for tag in tags if tag > after]
    shown = tags[: asked.limit]
    items = tuple(_answer(entries[tag]) for tag in shown)
    return Page(items, encode_cursor(shown[-1].encode()) if len(tags) > len(shown) else None)


def _answer(entry: Entry) -> EntryAnswer:
    expiry = times.maybe_normalise(entry.expiry_date)
    return EntryAnswer(entry.id_tag, entry.status, expiry, entry.parent_id_tag)
