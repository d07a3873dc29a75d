"""What an admin process is told at its start; nothing of it changes while it runs."""

from typing import Annotated

import msgspec

from gateway.service.logs import LogsConfig
from state.store import StoreConfig


class AdminListen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where operators and probes connect; port 0 lets the system choose. Beyond loopback: TLS in front."""

    host: str = "127.0.0.1"
    port: int = 8080
    health_host: str = "127.0.0.1"
    health_port: int = 9181


class AdminSecurity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`pepper`: the key under which tokens and API keys are hashed, the same for all processes of a store."""

    pepper: Annotated[str, msgspec.Meta(min_length=32)]


class AdminLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds per process. Seconds where the name ends in `_s`."""

    body_bytes: int = 262_144
    body_s: float = 10.0
    response_s: float = 30.0
    idle_connection_s: float = 15.0
    unacknowledged_s: float = 20.0
    event_clients: int = 200
    graceful_s: float = 3.0


class AdminConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    store: StoreConfig
    security: AdminSecurity
    listen: AdminListen = AdminListen()
    limits: AdminLimits = AdminLimits()
    logs: LogsConfig = LogsConfig()
