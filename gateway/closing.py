"""Why we close a charge point's connection: the close code and the reason it reads (RFC 6455 7.4)."""

from typing import NamedTuple


class Closing(NamedTuple):
    code: int
    reason: str


SUPERSEDED = Closing(1008, "another connection of this charge point took over")
DISCONNECTED = Closing(1000, "disconnected by an operator")
REVOKED = Closing(1008, "the token of this connection was revoked")
DELETED = Closing(1008, "this charge point was deleted")
RESTARTING = Closing(1012, "service restart")
