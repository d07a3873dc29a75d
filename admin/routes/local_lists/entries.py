"""The entries of a local list as the API shows them, a page at a time."""

from collections.abc import Mapping

import msgspec

from admin.http import Paging
from state.features.local_list_entries import Entry, Status
from state.paging import BadCursor, Page, decode_cursor, encode_cursor


class EntryAnswer(msgspec.Struct, frozen=True):
    """An entry, as it is or would be sent."""

    id_tag: str
    status: Status
    expiry_date: str | None
    parent_id_tag: str | None


def page_of(entries: Mapping[str, Entry], asked: Paging) -> Page[EntryAnswer]:
    """By id tag with letters folded. Raises BadCursor."""
    tags = sorted(entries)
    if asked.cursor is not None:
        try:
            after = decode_cursor(asked.cursor).decode()
        except UnicodeDecodeError:
            raise BadCursor from None
        tags = [tag for tag in tags if tag > after]
    shown = tags[: asked.limit]
    items = tuple(EntryAnswer(*msgspec.structs.astuple(entries[tag])) for tag in shown)
    return Page(items, encode_cursor(shown[-1].encode()) if len(tags) > len(shown) else None)
