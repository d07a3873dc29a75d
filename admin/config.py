"""Settings of an admin process. They are read once at its start."""

from typing import Annotated

from msgspec import Meta, Struct

from gateway.service.common_settings import HealthHost, HealthPort, Pepper, Port
from gateway.service.logs import LogsConfig
from state.store import StoreConfig


class AdminListen(Struct, frozen=True, forbid_unknown_fields=True):
    """Addresses and ports on which the process listens. Port 0 lets the system choose a free port."""

    host: Annotated[
        str,
        Meta(description="Address for operators. It speaks plain HTTP; beyond loopback, put TLS in front."),
    ] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port for operators.")] = 8080
    health_host: HealthHost = "127.0.0.1"
    health_port: HealthPort = 9181


class AdminSecurity(Struct, frozen=True, forbid_unknown_fields=True):
    pepper: Pepper


class AdminLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds on what clients of the API may cost this process."""

    body_bytes: Annotated[
        int, Meta(ge=1024, description="Longest body of a request; a longer one gets 413.")
    ] = 262_144
    body_s: Annotated[
        float, Meta(gt=0, description="Time in which the body of a request must arrive, or it gets 408.")
    ] = 10.0
    response_s: Annotated[
        float, Meta(gt=0, description="Time in which a client must read an answer of fixed length.")
    ] = 30.0
    idle_connection_s: Annotated[
        float,
        Meta(gt=0, description="Time that a connection may be idle, and that a request's head may take."),
    ] = 15.0
    unacknowledged_s: Annotated[
        float,
        Meta(gt=0, description="Time that sent bytes may stay unacknowledged until the connection is cut."),
    ] = 20.0
    event_clients: Annotated[
        int, Meta(ge=1, description="Clients that may read events at once, and traces; one more gets 503.")
    ] = 200
    graceful_s: Annotated[
        float, Meta(ge=0, description="Time that running requests have to end when the process stops.")
    ] = 3.0


class AdminConfig(Struct, frozen=True, forbid_unknown_fields=True):
    store: StoreConfig
    security: AdminSecurity
    listen: AdminListen = AdminListen()
    limits: AdminLimits = AdminLimits()
    logs: LogsConfig = LogsConfig()
