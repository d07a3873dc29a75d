"""The parts that all lists share: the parameters `limit` and `cursor`, the members `items` and `next`."""

from typing import Annotated

import msgspec
from quart import Response

from admin.http.problems import invalid, response
from state.paging import BadCursor

Limit = Annotated[
    int,
    msgspec.Meta(
        ge=1,
        le=1000,
        description="Greatest number of items that the page may have. A page may have fewer although another "
        "page follows.",
        examples=[100],
    ),
]
ROWS_MAX = 500
"""Greatest number of charge points or transactions on a page, so that a page takes less than 50 ms."""
Cursor = Annotated[
    Annotated[str, msgspec.Meta(max_length=2000)] | None,
    msgspec.Meta(
        description="The opaque text in the member `next` of the previous page. Omit `cursor` to get the "
        "first page."
    ),
]
Next = Annotated[
    str | None,
    msgspec.Meta(description="The `cursor` of the next page. null means that this page is the last."),
]

AllInOne = Annotated[None, msgspec.Meta(description="Always null, because all items are on one page.")]


class Paging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Limit = 100
    cursor: Cursor = None


def refuse_cursor(_error: BadCursor) -> Response:
    detail = "The cursor is not one of this list; omit it to start at the first page."
    return response(invalid(detail, parameter="cursor"))
