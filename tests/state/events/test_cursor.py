"""Every cursor that was encoded can be parsed, and any other text is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.events.cursor import TEXT_MAX, Cursor
from state.keys import PARTITIONS

MS = st.integers(0, 2**48 - 1)
POSITIONS = st.dictionaries(st.integers(0, PARTITIONS - 1), st.tuples(MS, st.integers(0, 2**64 - 1)))


@given(MS, POSITIONS)
def test_an_event_cursor_is_the_same_after_it_is_encoded_and_parsed(
    complete_ms: int, positions: dict[int, tuple[int, int]]
) -> None:
    cursor = Cursor(complete_ms, positions)
    text = cursor.encode()
    assert Cursor.parse(text) == cursor
    assert len(text) <= TEXT_MAX
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_the_longest_possible_event_cursor_is_not_longer_than_the_maximum_length() -> None:
    now = 1_800_000_000_000
    widest = Cursor(0, {p: (2**48 - 1 - p, 2**64 - 1) for p in range(PARTITIONS - 1)} | {255: (0, 2**64 - 1)})
    assert len(widest.encode()) <= TEXT_MAX
    # One cursor is for a busy tenant on all partitions, and one for a tenant with a handful of charge points.
    assert len(Cursor(now, {p: (now - 41 * p, p % 3) for p in range(PARTITIONS)}).encode()) < 1100
    assert len(Cursor(now, {p: (now - 60_000 * p, 0) for p in range(8)}).encode()) < 96


@given(st.text(max_size=100) | st.binary(max_size=200).map(lambda raw: raw.hex()))
def test_a_text_that_is_not_an_event_cursor_is_refused(text: str) -> None:
    try:
        cursor = Cursor.parse(text)
    except ValueError as error:
        assert "event cursor" in str(error)  # noqa: PT017  Hypothesis may draw a valid cursor.
    else:
        assert Cursor.parse(cursor.encode()) == cursor


def test_an_event_cursor_with_characters_removed_or_added_is_refused() -> None:
    text = Cursor(1_800_000_000_000, {3: (1_799_999_999_000, 7), 200: (5, 0)}).encode()
    for end in range(len(text)):
        with pytest.raises(ValueError, match="event cursor"):
            Cursor.parse(text[:end])
    for more in ("AAAA", "====", "A" * TEXT_MAX, "\n", "é"):
        with pytest.raises(ValueError, match="event cursor"):
            Cursor.parse(text + more)
    for other in ("", "AAAA", "$0", "0-0", "ÿ"):
        with pytest.raises(ValueError, match="event cursor"):
            Cursor.parse(other)
