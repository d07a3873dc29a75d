"""Settings of a gateway process. They are read once at its start."""

from typing import Annotated

from msgspec import Meta, Struct

from gateway.service.common_settings import HealthHost, HealthPort, Pepper, Port
from gateway.service.logs import LogsConfig
from state.store import StoreConfig


class ListenConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Addresses and ports on which the gateway listens. Port 0 lets the system choose a free port."""

    host: Annotated[str, Meta(description="Address for charge points; `0.0.0.0` means every interface.")] = (
        "0.0.0.0"  # noqa: S104  Charge points come from outside.
    )
    ws_port: Annotated[
        Port | None,
        Meta(description="Port for charge points without TLS. Without this setting there is none."),
    ] = None
    wss_port: Annotated[
        Port | None,
        Meta(
            description="Port for charge points with TLS; needs `tls.certificates`. Without it there is none."
        ),
    ] = None
    health_host: HealthHost = "127.0.0.1"
    health_port: HealthPort = 9180


class CertificateFiles(Struct, frozen=True, forbid_unknown_fields=True):
    chain_file: Annotated[
        str, Meta(description="PEM file with the server certificate and its intermediate certificates.")
    ]
    key_file: Annotated[str, Meta(description="PEM file with the private key.")]


class TlsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """TLS for charge points. One ECDSA and one RSA certificate serve all of them (whitepaper A00.FR.3xx)."""

    certificates: Annotated[
        tuple[CertificateFiles, ...],
        Meta(description="Server certificates, one for each kind of key: ECDSA and RSA."),
    ] = ()
    server_names: Annotated[
        tuple[str, ...],
        Meta(description="Names that a client may ask for (SNI). If empty, those in the certificates count."),
    ] = ()
    require_sni: Annotated[
        bool,
        Meta(description="Refuse clients that name another server, or none. `false` serves them as well."),
    ] = True


class SecurityConfig(Struct, frozen=True, forbid_unknown_fields=True):
    pepper: Pepper
    failures_per_minute_and_address: Annotated[
        int,
        Meta(
            ge=1,
            description="Failed authentications within a minute after which an address gets 429.",
        ),
    ] = 300
    failures_per_minute_and_charge_point: Annotated[
        int,
        Meta(
            ge=1,
            description="Failed authentications within a minute after which a charge point id gets 429 from "
            "that address.",
        ),
    ] = 10


class LimitsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds on what charge points may cost this process."""

    connections: Annotated[
        int, Meta(ge=1, description="Charge points connected to this process; one more gets 503.")
    ] = 15_000
    handshakes_in_flight: Annotated[
        int,
        Meta(
            ge=1, description="Connections that are not upgraded yet. If there are more, slow ones are cut."
        ),
    ] = 500
    message_bytes: Annotated[
        int, Meta(ge=1024, description="Longest message of a charge point; a longer one gets CLOSE 1009.")
    ] = 65_536
    send_s: Annotated[
        float, Meta(gt=0, description="Time in which a peer must take what we send, or it is cut off.")
    ] = 10.0
    ping_interval_s: Annotated[
        float, Meta(ge=0, description="Silence after which we send a PING; 0 sends none.")
    ] = 60.0
    pong_s: Annotated[
        float, Meta(gt=0, description="Further silence after a PING until the connection is cut.")
    ] = 30.0
    mute_s: Annotated[
        float,
        Meta(
            gt=0,
            description="The same for a charge point that never answered a PING and is not strict.",
        ),
    ] = 900.0


class BootConfig(Struct, frozen=True, forbid_unknown_fields=True):
    heartbeat_interval_s: Annotated[
        int,
        Meta(
            ge=1,
            le=86_400,
            description="Heartbeat interval that an accepted charge point gets with its BootNotification.",
        ),
    ] = 300


class DrainConfig(Struct, frozen=True, forbid_unknown_fields=True):
    window_s: Annotated[
        float, Meta(ge=0, description="Time over which a stopping gateway spreads its CLOSE frames.")
    ] = 60.0


class GatewayConfig(Struct, frozen=True, forbid_unknown_fields=True):
    store: StoreConfig
    security: SecurityConfig
    listen: ListenConfig = ListenConfig()
    tls: TlsConfig = TlsConfig()
    limits: LimitsConfig = LimitsConfig()
    boot: BootConfig = BootConfig()
    drain: DrainConfig = DrainConfig()
    logs: LogsConfig = LogsConfig()
