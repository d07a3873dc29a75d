"""Listings in pages, merged over the sorted sets of all partitions, mostly in one round trip.

All members of a set have the same score, so the member is the sort key and the cursor. A page begins strictly
after the last member of the previous page, even if members were added or removed in between.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Iterable, Sequence
from math import ceil
from typing import Any

import msgspec

from state.store import Store

_ROUNDS, _READ = 5, 1_000
"""A filtered list reads as many pages, if they have so many members together, but at least one page."""


class Page[T](msgspec.Struct, frozen=True):
    """One page. `next` is the cursor of the following page, or None on the last page.

    A page of a filtered list may have fewer items than the limit although another page follows.
    """

    items: tuple[T, ...]
    next: str | None


class BadCursor(ValueError):  # noqa: N818  Like BadPath, a sentence for the client.
    """The cursor is not one that a page of this list returned."""


def encode_cursor(member: bytes) -> str:
    return urlsafe_b64encode(member).decode().rstrip("=")


def decode_cursor(cursor: str) -> bytes:
    """Decode a cursor that `encode_cursor` made. Raises BadCursor."""
    try:
        member = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    except ValueError:
        member = b""
    if not member or encode_cursor(member) != cursor:
        raise BadCursor("the cursor is not one that a page returned; omit it to start at the first page")
    return member


async def list_members(
    store: Store,
    keys: Sequence[str],
    *,
    limit: int,
    cursor: str | None = None,
    prefix: bytes = b"",
    floor: bytes = b"",
    descending: bool = False,
) -> Page[bytes]:
    """List the members of all `keys` in one common order.

    Only members that begin with `prefix` and do not come before `floor` are listed. Raises BadCursor.
    """
    after = None if cursor is None else decode_cursor(cursor)
    if after is not None and not after.startswith(prefix):
        raise BadCursor(
            "the cursor comes from a listing with another prefix; omit it to start at the first page"
        )
    low = b"[" + max(prefix, floor)
    high = b"(" + prefix_end(prefix) if prefix else b"+"
    sets = [_Set(key, low, high, descending=descending) for key in keys]
    if after is not None:
        for one in sets:
            one.resume(after)
    wanted = limit + 1  # One member more than the limit is read, to find out whether another page follows.
    count = min(wanted, max(4, ceil(2 * wanted / max(1, len(sets)))))
    found: list[bytes] = []
    while asked := [one for one in sets if one.may_have_before(found, wanted)]:
        replies = await store.pipeline([one.command(count) for one in asked])
        for one, reply in zip(asked, replies, strict=True):
            one.consume(reply, count, wanted)
            found.extend(reply)
        found.sort(reverse=descending)
        count = min(wanted, 2 * count)
    return Page(tuple(found[:limit]), encode_cursor(found[limit - 1]) if len(found) > limit else None)


async def list_filtered[T](
    store: Store,
    keys: Sequence[str],
    load: Callable[[Sequence[bytes]], Awaitable[Iterable[tuple[bytes, T]]]],
    *,
    limit: int,
    cursor: str | None = None,
    **bounds: Any,
) -> Page[T]:
    """List the items that `load` makes of the members. The function `load` may leave out members.

    `bounds` has further arguments of `list_members`. Only so many members are read that a page takes some ten
    milliseconds, so a page may have fewer than `limit` items although another page follows. Raises BadCursor.
    """
    found: list[T] = []
    for _ in range(max(1, min(_ROUNDS, _READ // limit))):
        page = await list_members(store, keys, limit=limit, cursor=cursor, **bounds)
        for member, item in await load(page.items):
            found.append(item)
            if len(found) == limit:
                more = page.next is not None or page.items[-1] != member
                return Page(tuple(found), encode_cursor(member) if more else None)
        cursor = page.next
        if cursor is None:
            break
    return Page(tuple(found), cursor)


def prefix_end(prefix: bytes) -> bytes:
    """Return the least name that comes after all names with this prefix.

    The last byte of UTF-8 text is never 255.
    """
    return prefix[:-1] + bytes((prefix[-1] + 1,))


def cut_page[T](
    items: Sequence[T], place: Callable[[T], tuple[int, str]], *, cursor: str | None, limit: int
) -> Page[T]:
    """Return a page of a short list, sorted by `place` with the highest first.

    `place` gives a number of at most 18 digits, such as a time, and a name. The pair of number and name must
    be unique. Raises BadCursor.
    """
    ordered = sorted(items, key=place, reverse=True)
    if cursor is not None:
        before = decode_cursor(cursor)
        ordered = [item for item in ordered if _sort_key(place(item)) < before]
    cut = tuple(ordered[:limit])
    return Page(cut, encode_cursor(_sort_key(place(cut[-1]))) if len(ordered) > limit else None)


def _sort_key(place: tuple[int, str]) -> bytes:
    """Return bytes that sort in the same order as the places themselves."""
    return b"%018d %b" % (max(0, place[0]), place[1].encode())


class _Set:
    """One sorted set. Each read continues after the last member of the previous reply."""

    __slots__ = ("_descending", "_ended", "_high", "_key", "_last", "_low", "_taken")

    def __init__(self, key: str, low: bytes, high: bytes, *, descending: bool) -> None:
        self._key, self._low, self._high, self._descending = key, low, high, descending
        self._last: bytes | None = None
        self._taken = 0
        self._ended = False

    def resume(self, after: bytes) -> None:
        if self._descending:
            self._high = b"(" + after
        else:
            self._low = b"(" + after

    def may_have_before(self, found: list[bytes], wanted: int) -> bool:
        """Return whether an unread member of this set may be among the first `wanted` members of all sets."""
        if self._ended:
            return False
        if self._last is None or len(found) < wanted:
            return True
        border = found[wanted - 1]
        return self._last > border if self._descending else self._last < border

    def command(self, count: int) -> tuple[str | bytes | int, ...]:
        if self._descending:
            return ("ZRANGE", self._key, self._high, self._low, "BYLEX", "REV", "LIMIT", 0, count)
        return ("ZRANGE", self._key, self._low, self._high, "BYLEX", "LIMIT", 0, count)

    def consume(self, reply: list[bytes], count: int, wanted: int) -> None:
        self._taken += len(reply)
        # A member that is not among the first `wanted` members of its own set cannot be among the first
        # `wanted` members of all sets.
        self._ended = len(reply) < count or self._taken >= wanted
        if reply:
            self._last = reply[-1]
            self.resume(reply[-1])
