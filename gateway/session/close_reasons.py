"""Why we close a charge point's connection: the close code and the reason it reads (RFC 6455 7.4)."""

from typing import NamedTuple

from gateway.websocket.close_codes import NORMAL, POLICY_VIOLATION, SERVICE_RESTART


class Closing(NamedTuple):
    code: int
    reason: str


SUPERSEDED = Closing(POLICY_VIOLATION, "another connection of this charge point took over")
DISCONNECTED = Closing(NORMAL, "disconnected by an operator")
REVOKED = Closing(POLICY_VIOLATION, "the token of this connection was revoked")
DELETED = Closing(POLICY_VIOLATION, "this charge point was deleted")
RESTARTING = Closing(SERVICE_RESTART, "service restart")
