"""Every way in which we end a websocket, and what the charge point should do then (RFC 6455 section 7.4).

The codes that a peer sends are recorded and counted, and have no other effect.
"""

from enum import Enum
from typing import Literal, NamedTuple


class Closed(NamedTuple):
    """The end of a websocket.

    `by` is the side that closed; "lost" means that no CLOSE frame came (code 1006).
    """

    code: int
    reason: str
    by: Literal["us", "peer", "lost"]


class _Row(NamedTuple):
    code: int
    reason: str
    when: str
    then: str


class Close(_Row, Enum):
    """Code and reason of our CLOSE frame, the occasion for the frame, and advice for the charge point.

    `record` fills values into the reason. Type checking ensures that csms sends only the CLOSE frames of this
    class.
    """

    # Reasons for which a session ends its connection.
    SUPERSEDED = (
        1008,
        "another connection of this charge point took over",
        "A newer connection with the same id and a valid token was admitted.",
        "Use the newer connection. If the charge point did not open it, another device has its id and token.",
    )
    DISCONNECTED = (
        1000,
        "disconnected by an operator",
        "An operator ended the connection.",
        "Reconnect.",
    )
    REVOKED = (
        1008,
        "the token of this connection was revoked",
        "An operator revoked the token in the charge point's URL, or retired it and nothing else was shown.",
        "Reconnect with another token, or show a password or a certificate too if the token is only retired.",
    )
    CERTIFICATE_INVALID = (
        1008,
        "the client certificate of this connection is no longer valid",
        "The client certificate expired or was revoked after the charge point had connected.",
        "Reconnect with a valid certificate. csms refuses the old one.",
    )
    DELETED = (
        1008,
        "this charge point was deleted",
        "An operator deleted the charge point.",
        "Do not reconnect. A deleted charge point gets 404, unless its tenant registers new charge points.",
    )
    RESTARTING = (
        1012,
        "service restart",
        "The gateway process stops, and closes one connection after the other.",
        "Reconnect at once. Another process takes over. The drain already spreads the reconnects over time.",
    )
    MOVED = (
        1012,
        "connect to another gateway",
        "An operator drains the gateway process, or moves a share of its sessions to other processes.",
        "Reconnect at once. Another process takes over. csms already spreads the reconnects over time.",
    )
    LOAD_TEST_OVER = (
        1000,
        "load test over",
        "A simulated charge point has finished.",
        "Nothing. In a load test csms itself plays the charge point.",
    )

    # The peer broke a rule. The same bytes would end the next connection in the same way.
    PROTOCOL_ERROR = (
        1002,
        "{}",
        "A frame breaks a rule of RFC 6455. The reason names the rule.",
        "Reconnect. The websocket library of the charge point must be corrected.",
    )
    NOT_TEXT = (
        1003,
        "a binary frame came, but OCPP-J is sent in text frames",
        "A strict charge point sent a binary message, or a binary message is not UTF-8.",
        "Reconnect, and send JSON in text frames.",
    )
    NOT_UTF8 = (
        1007,
        "{}",
        "A text message or the reason of a CLOSE frame is not UTF-8.",
        "Reconnect, and encode texts as UTF-8.",
    )
    TOO_BIG = (
        1009,
        "a message has more than {} bytes",
        "The length of a frame, or of all frames of a message, is over the limit.",
        "Reconnect, and send shorter messages, for example with fewer meter values.",
    )
    TOO_FRAGMENTED = (
        1008,
        "a message has more than {} frames",
        "One message came in too many frames.",
        "Reconnect, and send each message in one frame.",
    )
    TOO_MANY_CONTROL_FRAMES = (
        1008,
        "more than {} control frames came within a second",
        "PING and PONG frames came too fast.",
        "Reconnect, and ping less often.",
    )
    NO_ROOM = (
        1013,
        "no room for a message of more than 65536 bytes",
        "Messages over 64 KiB of many charge points arrived together, and there was no room for 30 s.",
        "Reconnect later, and send the message again.",
    )
    UNFINISHED = (
        1008,
        "a message was begun, but its rest did not come in time",
        "A message was not complete a minute after its first byte, plus a second for each KiB that came.",
        "Reconnect, and send the message again.",
    )

    # A defect of csms.
    CRASHED = (
        1011,
        "internal error",
        "A defect of csms ended the session. The log has the traceback.",
        "Reconnect, and repeat the call that got no answer.",
    )

    # The ends below are only recorded. csms sends no CLOSE frame, because the peer would not read it.
    CLOSING = (
        1000,
        "closing",
        "csms had another message to send while it answered the charge point's CLOSE.",
        "Nothing.",
    )
    SILENT = (1001, "silent for {:.0f} s", "The charge point sent nothing, even after a PING.", "Reconnect.")
    LEFT = (1006, "the peer left without a CLOSE frame", "The stream ended.", "Reconnect.")
    BROKEN = (
        1006,
        "{}",
        "The kernel or TLS reported an error, or the charge point did not take bytes in time.",
        "Reconnect.",
    )
    DROPPED = (1006, "dropped", "The process stopped without a drain.", "Reconnect.")

    def record(self, by: Literal["us", "lost"], *values: object) -> Closed:
        return Closed(self.code, self.reason.format(*values), by)


class ConnectionClosed(Exception):  # noqa: N818  it says what happened
    """The connection has ended. `written` is False if no byte of the message was written."""

    def __init__(self, closed: Closed, *, written: bool = True) -> None:
        how = "lost" if closed.by == "lost" else f"closed by {closed.by}"
        why = f"{closed.code} {closed.reason}".rstrip()
        super().__init__(f"connection {how} ({why})")
        self.closed = closed
        self.written = written


class Violation(Exception):  # noqa: N818  it says what happened
    """The peer broke the protocol. `closed` goes into our CLOSE frame."""

    def __init__(self, close: Close, *values: object) -> None:
        super().__init__(close, *values)
        self.close = close
        self.closed = close.record("us", *values)


def build_close_frame(closed: Closed) -> bytes:
    """Make a server's CLOSE frame, unmasked. The reason is cut to 123 bytes, as RFC 6455 requires."""
    payload = closed.code.to_bytes(2) + closed.reason.encode()[:123].decode(errors="ignore").encode()
    return bytes((0x88, len(payload))) + payload
