"""What all lists share: `limit` and `cursor` in, `items` and `next` out."""

from typing import Annotated

import msgspec
from quart import Response

from admin.http.problems import invalid, response
from state.paging import BadCursor

Limit = Annotated[int, msgspec.Meta(ge=1, le=1000, description="How many items at most.", examples=[100])]
Cursor = Annotated[
    Annotated[str, msgspec.Meta(max_length=2000)] | None,
    msgspec.Meta(description="`next` of the page before; opaque. Leave it out for the first page."),
]
Next = Annotated[
    str | None,
    msgspec.Meta(description="Give it as `cursor` for the next page; null: this was the last one."),
]

AllInOne = Annotated[None, msgspec.Meta(description="Always null: all are in one page.")]


class Paging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Limit = 100
    cursor: Cursor = None


def refuse_cursor(_error: BadCursor) -> Response:
    detail = "This is no cursor of this list; start without one."
    return response(invalid(detail, parameter="cursor"))
