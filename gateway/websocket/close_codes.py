"""Why a connection ended (RFC 6455 section 7.4)."""

from typing import Literal, NamedTuple

NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
UNSUPPORTED_DATA = 1003
ABNORMAL = 1006
INVALID_TEXT = 1007
POLICY_VIOLATION = 1008
TOO_BIG = 1009
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012


class Closed(NamedTuple):
    """`by` is who ended it; "lost" means without a CLOSE frame (code 1006, never on the wire)."""

    code: int
    reason: str
    by: Literal["us", "peer", "lost"]


class ConnectionClosed(Exception):  # noqa: N818  it says what happened
    def __init__(self, closed: Closed) -> None:
        super().__init__(f"The connection was closed by {closed.by}: {closed.code} {closed.reason}".rstrip())
        self.closed = closed


class Violation(Exception):  # noqa: N818  it says what happened
    """The peer did what it must not; `code` and `reason` go into our CLOSE frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def close_frame(code: int, reason: str) -> bytes:
    """A server's CLOSE frame (unmasked); the reason is cut to what a control frame holds."""
    payload = code.to_bytes(2) + reason.encode()[:123].decode(errors="ignore").encode()
    return bytes((0x88, len(payload))) + payload
