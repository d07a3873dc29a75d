"""Listings in pages, merged over the sorted sets of all partitions, mostly in one round trip.

All members of a set have the same score, so the member is the sort key and the cursor. A page begins strictly
after the last member of the previous page, even if members were added or removed in between.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Iterable, Sequence
from math import ceil, sqrt
from typing import Any, NamedTuple

import msgspec

from state.store import Store

_SOME = 100
"""A filtered list loads so many members at once, even if its page has room for fewer items."""


class Page[T](msgspec.Struct, frozen=True):
    """One page. `next` is the cursor of the following page, or None on the last page.

    A page of a filtered list may have fewer items than the limit although another page follows.
    """

    items: tuple[T, ...]
    next: str | None


class Bound(NamedTuple):
    """How many members a page of a filtered list reads from the index, and how many of them it loads.

    A page with a greater limit may read and load as many as its limit.
    """

    read: int
    loaded: int


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
    count = estimate_share(wanted, len(sets))
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
    bound: Bound | None = None,
    pick: Callable[[Sequence[bytes]], Awaitable[Sequence[bytes]]] | None = None,
    **bounds: Any,
) -> Page[T]:
    """List the items that `load` makes of the members. The function `load` may leave out members.

    The function `pick` is cheaper than `load`, and leaves out most members before they are loaded. Without
    `bound`, only `limit` members are read. So a page may have fewer than `limit` items although another page
    follows. `bounds` has further arguments of `list_members`. Raises BadCursor.
    """
    bound = bound or Bound(limit, limit)
    page = await list_members(store, keys, limit=max(limit, bound.read), cursor=cursor, **bounds)
    members = page.items if pick is None else await pick(page.items)
    found: list[T] = []
    loaded, most = 0, max(limit, bound.loaded)
    while loaded < len(members):
        some = members[loaded : min(most, loaded + max(limit - len(found), _SOME))]
        loaded += len(some)
        for member, item in await load(some):
            found.append(item)
            if len(found) == limit:
                return _cut(page, found, member)
        if loaded == most:
            return _cut(page, found, some[-1])
    return Page(tuple(found), page.next)


def _cut[T](page: Page[bytes], found: Sequence[T], last: bytes) -> Page[T]:
    """Return a page that ends after the member `last` of a page of members."""
    more = page.next is not None or page.items[-1] != last
    return Page(tuple(found), encode_cursor(last) if more else None)


def estimate_share(wanted: int, sets: int) -> int:
    """Return how much to read from each set, so that most sets need no second read for a merged page.

    The shares of the sets spread as chance has it.
    """
    mean = wanted / max(1, sets)
    return min(wanted, max(4, ceil(mean + sqrt(mean))))


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
