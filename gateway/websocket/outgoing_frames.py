"""Builds the frames that a connection sends."""

import os

from websockets.speedups import apply_mask

_SHORT = tuple(bytes((0x81, length)) for length in range(126))


def build_text_frame(text: bytes) -> bytes:
    """Return a whole text message as one frame, as a server sends it."""
    length = len(text)
    if length < 126:
        return _SHORT[length] + text
    if length < 65_536:
        return b"\x81\x7e" + length.to_bytes(2) + text
    return b"\x81\x7f" + length.to_bytes(8) + text


def build_pong(ping: bytes) -> bytes:
    """Return the answer to a whole PING frame. A control frame has at most 125 bytes of payload."""
    payload = apply_mask(ping[6:], ping[2:6]) if ping[1] & 0x80 else ping[2:]
    return bytes((0x8A, len(payload))) + payload


def mask(frame: bytes) -> bytes:
    """Mask a frame, as a client must."""
    header = 2 if frame[1] < 126 else 4 if frame[1] == 126 else 10
    key = os.urandom(4)
    return bytes((frame[0], frame[1] | 0x80)) + frame[2:header] + key + apply_mask(frame[header:], key)
