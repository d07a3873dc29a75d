"""Websocket frames and the upgrade request before them, byte by byte."""

REQUEST = (
    b"GET /OCPP16/tenant/token/CP%201 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)


def frame(
    first: int, payload: bytes = b"", *, mask: bytes | None = b"abcd", length: int | None = None
) -> bytes:
    """Make a frame from its first byte and payload. `length` may state a false length."""
    length = len(payload) if length is None else length
    bit = 0 if mask is None else 0x80
    if length < 126:
        size = bytes((bit | length,))
    elif length < 65_536:
        size = bytes((bit | 126,)) + length.to_bytes(2)
    else:
        size = bytes((bit | 127,)) + length.to_bytes(8)
    if mask is not None:
        payload = mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes((first,)) + size + payload


def text(message: str) -> bytes:
    return frame(0x81, message.encode())


def plain(first: int, payload: bytes = b"") -> bytes:
    """Make a frame as a server sends it."""
    return frame(first, payload, mask=None)
