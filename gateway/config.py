"""What a gateway process is told at its start; nothing of it changes while it runs."""

from typing import Annotated

import msgspec

from gateway.service.logs import LogsConfig
from state.store import StoreConfig


class ListenConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where charge points and probes connect. An absent port is not opened; 0 lets the system choose."""

    host: str = "0.0.0.0"  # noqa: S104  charge points come from outside
    ws_port: int | None = None
    wss_port: int | None = None
    health_host: str = "127.0.0.1"
    health_port: int = 9180


class CertificateFiles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    chain_file: str
    key_file: str


class TlsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ECDSA and one RSA certificate serve every charge point (whitepaper A00.FR.3xx)."""

    certificates: tuple[CertificateFiles, ...] = ()
    server_names: tuple[str, ...] = ()
    require_sni: bool = True


class SecurityConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`pepper` is the key under which tokens are hashed, the same for all processes of a store."""

    pepper: Annotated[str, msgspec.Meta(min_length=32)]
    failures_per_minute_and_address: int = 300
    failures_per_minute_and_charge_point: int = 10


class LimitsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    connections: int = 15_000
    handshakes_in_flight: int = 500
    message_bytes: int = 65_536
    send_s: float = 10.0
    ping_interval_s: float = 60.0
    pong_s: float = 30.0
    mute_s: float = 900.0


class BootConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    heartbeat_interval_s: int = 300


class DrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds over which a stopping gateway spreads its CLOSE frames."""

    window_s: float = 60.0


class GatewayConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    store: StoreConfig
    security: SecurityConfig
    listen: ListenConfig = ListenConfig()
    tls: TlsConfig = TlsConfig()
    limits: LimitsConfig = LimitsConfig()
    boot: BootConfig = BootConfig()
    drain: DrainConfig = DrainConfig()
    logs: LogsConfig = LogsConfig()
