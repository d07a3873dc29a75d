"""Settings of an admin process, which reads them once at its start."""

from typing import Annotated

from msgspec import Meta, Struct

from gateway.service.common_settings import HealthHost, HealthPort, Pepper, Port
from gateway.service.logs import LogsConfig
from state.store import StoreConfig


class AdminListen(Struct, frozen=True, forbid_unknown_fields=True):
    """Addresses and ports on which the admin process listens. Port 0 lets the system choose a free port."""

    host: Annotated[
        str,
        Meta(
            min_length=1,
            description="Address of the API, which is plain HTTP. Beyond loopback, put TLS in front.",
        ),
    ] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port of the API.")] = 8080
    health_host: HealthHost = "127.0.0.1"
    health_port: HealthPort = 9181


class AdminSecurity(Struct, frozen=True, forbid_unknown_fields=True):
    """The pepper, which gateways and admin processes share."""

    pepper: Pepper


class AdminLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds on what clients of the API may cost one process."""

    body_bytes: Annotated[
        int,
        Meta(ge=1024, le=1 << 26, description="Longest body of a request. A longer one gets 413."),
    ] = 262_144
    body_s: Annotated[
        float,
        Meta(gt=0, le=86_400, description="Time that the body of a request may take. A slower one gets 408."),
    ] = 10.0
    response_s: Annotated[
        float,
        Meta(
            gt=0,
            le=86_400,
            description="Time that a client has to read an answer. Streams have no limit.",
        ),
    ] = 30.0
    idle_connection_s: Annotated[
        float,
        Meta(
            gt=0,
            le=86_400,
            description="Time that a connection may be idle, and that the head of a request may take.",
        ),
    ] = 15.0
    unacknowledged_s: Annotated[
        float,
        Meta(
            ge=0.001,
            le=86_400,
            description="Time after which csms cuts a connection whose TCP does not acknowledge sent bytes.",
        ),
    ] = 20.0
    event_clients: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="Most clients that may read streams of events at once. As many may read streams of "
            "traces. One more gets 503.",
        ),
    ] = 200
    graceful_s: Annotated[
        float,
        Meta(ge=0, le=86_400, description="Time that running requests have to end when the process stops."),
    ] = 3.0


class AdminConfig(Struct, frozen=True, forbid_unknown_fields=True):
    store: StoreConfig
    security: AdminSecurity
    listen: AdminListen = AdminListen()
    limits: AdminLimits = AdminLimits()
    logs: LogsConfig = LogsConfig()
