"""Short capped lists, newest first, a page at a time: read whole, cut here."""

from collections.abc import Callable, Sequence

from state.paging import Page, decode_cursor, encode_cursor


def page[T](
    items: Sequence[T], place: Callable[[T], tuple[int, str]], *, cursor: str | None, limit: int
) -> Page[T]:
    """Cut a page. `place`: a number of 18 digits at most and a name, unique together. Raises BadCursor."""
    ordered = sorted(items, key=place, reverse=True)
    if cursor is not None:
        before = decode_cursor(cursor)
        ordered = [item for item in ordered if _mark(place(item)) < before]
    cut = tuple(ordered[:limit])
    return Page(cut, encode_cursor(_mark(place(cut[-1]))) if len(ordered) > limit else None)


def _mark(place: tuple[int, str]) -> bytes:
    """As bytes it sorts as the place itself does."""
    return b"%018d %b" % (max(0, place[0]), place[1].encode())
