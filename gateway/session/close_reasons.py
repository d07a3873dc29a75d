"""The session's rows of the one table of close codes."""

from gateway.websocket.close_codes import Close

type Closing = Close

SUPERSEDED = Close.SUPERSEDED
DISCONNECTED = Close.DISCONNECTED
REVOKED = Close.REVOKED
DELETED = Close.DELETED
RESTARTING = Close.RESTARTING
