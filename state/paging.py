"""Listings a page at a time, merged over sorted sets of all partitions in one round trip.

The sets are read by member (all scores equal), so the member is the sort key and the cursor: a page begins
strictly after the last member of the one before, whatever came and went in between.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

import msgspec

from state.store import Store


class Page[T](msgspec.Struct, frozen=True):
    """`next`: the cursor of the following page, None on the last. A filtered page may be short and have one."""

    items: tuple[T, ...]
    next: str | None


class BadCursor(ValueError):
    """A cursor that no page of ours gave."""


def encode_cursor(member: bytes) -> str:
    return urlsafe_b64encode(member).decode().rstrip("=")


def decode_cursor(cursor: str) -> bytes:
    """Raises BadCursor."""
    try:
        member = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    except ValueError:
        member = b""
    if not member or encode_cursor(member) != cursor:
        raise BadCursor("The cursor must be one that an earlier page gave as its next.")
    return member


async def members(
    store: Store,
    keys: Sequence[str],
    *,
    limit: int,
    cursor: str | None = None,
    prefix: bytes = b"",
    descending: bool = False,
) -> Page[bytes]:
    """The members of all `keys` together, in order, that begin with `prefix`. Raises BadCursor."""
    raise NotImplementedError
