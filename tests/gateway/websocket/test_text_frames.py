"""The short way of `TextFrames` finds what the long way finds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.websocket.close_codes import Close, Violation
from gateway.websocket.limits import Limits
from gateway.websocket.text_frames import TextFrames
from tests.support.websocket_frames import frame, plain

LIMITS = Limits(message_bytes=70_000)
SIZES = (0, 1, 123, 124, 125, 126, 127, 130, 132, 65_535)


def read_short(data: bytes) -> bytes | Close | None:
    try:
        return TextFrames(LIMITS, masked=True).read_whole(data)
    except Violation as violation:
        return violation.close


def read_long(data: bytes) -> bytes | Close | None:
    """Return the message, or the violation. None means another frame, or bytes after the first one."""
    frames = TextFrames(LIMITS, masked=True)
    frames.feed(data, 0.0)
    try:
        found = frames.cut()
    except Violation as violation:
        return violation.close
    return found if isinstance(found, bytes) and not frames.held else None


@pytest.mark.parametrize("size", SIZES)
def test_a_whole_text_message_is_read_the_short_way(size: int) -> None:
    frames, text = TextFrames(LIMITS, masked=True), b"x" * size
    assert frames.read_whole(frame(0x81, text)) == text
    assert (frames.held, frames.partial_since) == (0, None)


@given(
    st.sampled_from((0x81, 0x01, 0x80, 0x82, 0x88, 0x89, 0xC1)),
    st.sampled_from(SIZES),
    st.integers(-3, 3),
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 255)), max_size=2),
)
def test_the_short_way_finds_nothing_else_than_the_long_way(
    first: int, size: int, more: int, damage: list[tuple[int, int]]
) -> None:
    data = bytearray(frame(first, b"x" * size))
    if more > 0:
        data += b"\x81\x80\0"[:more]
    elif more:
        del data[more:]
    for place, value in damage:
        data[place % len(data)] = value
    if (found := read_short(bytes(data))) is not None:
        assert found == read_long(bytes(data))


@pytest.mark.parametrize("size", range(6, 150))
def test_the_begin_of_a_large_message_is_not_read_the_short_way(size: int) -> None:
    assert read_short(frame(0x81, b"x" * 66_000)[:size]) is None


def test_the_short_way_is_only_for_a_server_that_keeps_nothing() -> None:
    whole, frames = frame(0x81, b"whole"), TextFrames(LIMITS, masked=True)
    frames.feed(whole[:3], 0.0)
    assert frames.cut() is None
    assert frames.read_whole(whole) is None
    for first in (0x01, 0x88):  # A message that has begun, and a connection that is closed.
        frames = TextFrames(LIMITS, masked=True)
        frames.feed(frame(first, b""), 0.0)
        frames.cut()
        assert frames.cut() is None
        assert frames.read_whole(whole) is None
    assert TextFrames(LIMITS, masked=False).read_whole(plain(0x81, b"from a server")) is None
    assert TextFrames(Limits(message_bytes=200), masked=True).read_whole(frame(0x81, b"x" * 201)) is None
