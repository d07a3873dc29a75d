"""Settings of a gateway process, which reads them once at its start."""

from typing import Annotated

from msgspec import Meta, Struct

from gateway.service.common_settings import HealthHost, HealthPort, Pepper, Port
from gateway.service.config import ConfigError
from gateway.service.logs import LogsConfig
from gateway.service.networks import Networks, read_networks
from state.store import StoreConfig


class ListenConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Addresses and ports on which the gateway listens. Port 0 lets the system choose a free port.

    Gateways of one machine may share `ws_port` and `wss_port`. The system then spreads connections over them.
    """

    host: Annotated[
        str,
        Meta(min_length=1, description="Address for charge points. `0.0.0.0` means every IPv4 interface."),
    ] = "0.0.0.0"  # noqa: S104  Charge points come from outside.
    ws_port: Annotated[
        Port | None,
        Meta(
            description="Port for charge points that connect without TLS. Without this port, every charge "
            "point must use TLS. At least one of `ws_port` and `wss_port` must be set."
        ),
    ] = None
    wss_port: Annotated[
        Port | None,
        Meta(
            description="Port for charge points that connect with TLS. With this port, `tls.certificates` "
            "must be set too. Without this port, no charge point can use TLS."
        ),
    ] = None
    client_certificate_port: Annotated[
        Port | None,
        Meta(
            description="Port for charge points that connect with TLS and a client certificate. csms refuses "
            "TLS without a client certificate on this port, and then asks for none on `wss_port`. Without "
            "this port, csms asks for a client certificate on `wss_port`, and serves charge points without "
            "one there too. `tls.client_authorities_file` must be set."
        ),
    ] = None
    proxy_protocol: Annotated[
        bool,
        Meta(
            description="If `true`, each connection from `trusted_networks` must begin with a header of the "
            "PROXY protocol (version 1 or 2), and the address in this header counts everywhere as that of "
            "the charge point. csms refuses such a connection without a header, and refuses a header from "
            "any other address. Other connections without a header are served as usual. On `ws_port`, a "
            "header of version 2 that says that the charge point speaks TLS with the proxy makes profile 2 "
            "possible. Profile 3 needs TLS with csms itself."
        ),
    ] = False
    trusted_networks: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks of the proxies for `proxy_protocol`, for example `10.0.0.0/8`. Anyone in "
            "these networks can claim any address, so name no more than the proxies."
        ),
    ] = ()
    health_host: HealthHost = "127.0.0.1"
    health_port: HealthPort = 9180


class CertificateFiles(Struct, frozen=True, forbid_unknown_fields=True):
    """A server certificate and its key."""

    chain_file: Annotated[
        str,
        Meta(
            min_length=1,
            description="PEM file with the server certificate, then the intermediate certificates.",
        ),
    ]
    key_file: Annotated[
        str,
        Meta(
            min_length=1,
            description="PEM file with the private key of the certificate, without a passphrase.",
        ),
    ]


class TlsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """TLS for charge points on `listen.wss_port` and `listen.client_certificate_port`.

    One ECDSA and one RSA certificate together serve all charge points (whitepaper A00.FR.3xx). The gateway
    reads changed files again within 10 s, and all files after SIGHUP. New connections then use the new
    files, and open connections stay. If a new file cannot be used, the gateway logs an error and goes on with
    what it has.
    """

    certificates: Annotated[
        tuple[CertificateFiles, ...],
        Meta(description="Server certificates, at most one for each kind of key: ECDSA and RSA."),
    ] = ()
    server_names: Annotated[
        tuple[str, ...],
        Meta(
            description="Server names that a charge point may ask for (SNI). `*.` at the beginning of a name "
            "stands for any one label. If the list is empty, csms uses the names in the certificates. If "
            "`require_sni` is false, csms does not check the name."
        ),
    ] = ()
    require_sni: Annotated[
        bool,
        Meta(
            description="If `true`, csms refuses a charge point that asks for no server name or for one that "
            "csms does not serve. The refusal is the TLS alert unrecognized_name. If `false`, csms serves "
            "every charge point. Charge points that connect to an IP address send no server name."
        ),
    ] = True
    static_rsa: Annotated[
        bool,
        Meta(
            description="If `true`, csms offers the two suites without forward secrecy that the security "
            "whitepaper demands (TLS_RSA_WITH_AES_128_GCM_SHA256 and TLS_RSA_WITH_AES_256_GCM_SHA384). "
            "Anyone who gets the RSA key later can decrypt recorded connections with these suites. "
            "Certification needs `true`."
        ),
    ] = True
    client_authorities_file: Annotated[
        str | None,
        Meta(
            description="PEM file with the certificates of all authorities that may sign client "
            "certificates: roots, and issuing authorities. csms trusts an issuing authority in this file "
            "even without its root. Without this setting, csms asks for no client certificate, and no charge "
            "point can have security profile 3.",
        ),
    ] = None
    strict_client_certificates: Annotated[
        bool,
        Meta(
            description="If `true`, OpenSSL checks client certificates and their authorities by the letter "
            "of RFC 5280 (VERIFY_X509_STRICT). Certificates of older charge points may then be refused. The "
            "record of such a refusal has the broken rule."
        ),
    ] = False
    revocation_list_files: Annotated[
        tuple[str, ...],
        Meta(
            description="Files with certificate revocation lists in PEM or DER, each of at most 64 MiB. An "
            "authority in `client_authorities_file` must have signed each list. csms closes the session of a "
            "revoked certificate within 60 s."
        ),
    ] = ()
    refuse_overdue_revocation_lists: Annotated[
        bool,
        Meta(
            description="If `true`, csms refuses each client certificate whose authority has a revocation "
            "list that should have been replaced by now, and closes its session. If `false`, csms only logs "
            "a warning once a day."
        ),
    ] = False


class SecurityConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The pepper, and the number of failed authentications that one process allows.

    A failed authentication is a request that gets 401, for example for an unknown tenant, a wrong token or a
    wrong password. The numbers are those of buckets: a failure fills a bucket by one, and a full bucket
    empties evenly within a minute. Each process counts only its own failures.
    """

    pepper: Pepper
    failures_per_minute_and_address: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Number of failed authentications from one address within a minute. While there are "
            "more, each failure from that address is answered 2 s later. The same counts for all addresses, "
            "while more than ten times this number fail in all. A request that is right is never delayed. "
            "Charge points behind one NAT share an address. A network of 64 bits (IPv6) counts as one.",
        ),
    ] = 300
    failures_per_minute_and_charge_point: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Number of failed authentications of one charge point id from one address within a "
            "minute. While there are more, requests with this id from this address get 429, even if they are "
            "right. With the default, one of them is let through every 6 s.",
        ),
    ] = 10


class LimitsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Limits on the connections, messages and time that charge points may use in one process.

    Silence is a time without a byte from the charge point. csms checks once a second how long the silence has
    lasted.
    """

    connections: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Greatest number of sessions that one process may have at once. A further charge "
            "point gets 503 with Retry-After. If the process may not open enough files for this number and "
            "`handshakes_in_flight`, csms lowers both and logs a warning.",
        ),
    ] = 15_000
    memory_bytes: Annotated[
        Annotated[int, Meta(ge=0, le=1 << 50)] | None,
        Meta(
            description="Memory that one process may use. At 85 % of it, a further charge point gets 503 "
            "with Retry-After, until less than 80 % are used. Without this setting, the memory limit of the "
            "container counts, if there is one. If this is 0, there is no such limit. A limit of the address "
            "space (`ulimit -v`) always counts.",
        ),
    ] = None
    connections_per_address: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Greatest number of connections that one process may have with one address at once. "
            "csms closes further ones before TLS. Charge points behind one NAT share an address. If this is "
            "0, there is no such limit.",
        ),
    ] = 0
    handshakes_in_flight: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Greatest number of connections whose upgrade request has not arrived completely. "
            "When this number is reached, csms cuts each of these connections that is older than 2 s, and "
            "accepts no new connections until there is room.",
        ),
    ] = 500
    handshakes_per_second: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Number of upgrade requests that one process serves in a second. A further "
            "request waits for its turn. If it would wait for more than 5 s, the charge point gets 503, with "
            "a Retry-After that spreads the refused charge points over time. So a reconnect of all charge "
            "points leaves time for the sessions that are open. A core serves some 700 handshakes a second "
            "without TLS, and 240 to 290 with TLS. If this is 0, there is no such limit.",
        ),
    ] = 300
    handshakes_at_once: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Greatest number of upgrade requests that one process serves at the same time, "
            "without those that wait for their turn. A further charge point gets 503, as with "
            "`handshakes_per_second`. This limit matters if the store is slow.",
        ),
    ] = 200
    message_bytes: Annotated[
        int,
        Meta(
            ge=65_536,
            le=1 << 24,
            description="Longest message of a charge point. A longer message gets CLOSE 1009.",
        ),
    ] = 1_048_576
    large_messages_bytes: Annotated[
        int,
        Meta(
            ge=1 << 20,
            le=1 << 34,
            description="Memory for the parts beyond 64 KiB of all messages that one process receives at a "
            "time. While this memory is used up, csms does not read further parts of such messages, for at "
            "most 30 s.",
        ),
    ] = 33_554_432
    send_s: Annotated[
        float,
        Meta(
            gt=0,
            le=86_400,
            description="Time within which a charge point must receive what csms sends. After this time, "
            "csms cuts the connection.",
        ),
    ] = 10.0
    ping_interval_s: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="Length of the silence after which csms sends a PING. If this is 0, csms sends no "
            "PING and cuts no silent connection.",
        ),
    ] = 60.0
    pong_s: Annotated[
        float,
        Meta(
            gt=0,
            le=86_400,
            description="csms cuts the connection if the silence lasts longer than `ping_interval_s` plus "
            "this time.",
        ),
    ] = 30.0
    mute_s: Annotated[
        float,
        Meta(
            gt=0,
            le=86_400,
            description="Length of the silence after which csms cuts the connection of a charge point that "
            "has never answered a PING. This limit applies instead of `pong_s` if the charge point is not "
            "`strict` and its TCP acknowledges the PING.",
        ),
    ] = 900.0


class BootConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to BootNotification."""

    heartbeat_interval_s: Annotated[
        int,
        Meta(
            ge=1,
            le=86_400,
            description="Heartbeat interval in a BootNotification.conf with the status Accepted. If the "
            "operator set `heartbeat_interval_s` for the charge point, csms sends that interval instead.",
        ),
    ] = 300
    heartbeat_spread_percent: Annotated[
        int,
        Meta(
            ge=0,
            le=50,
            description="By how many percent `heartbeat_interval_s` is shorter at most. Each charge point "
            "gets an interval of its own, and always the same, so that the Heartbeats of charge points that "
            "booted together do not come together. If this is 0, every charge point gets "
            "`heartbeat_interval_s`. An interval that the operator set for a charge point is sent exactly.",
        ),
    ] = 10


class DrainConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How a gateway ends after SIGTERM or SIGINT.

    The process ends at most `window_s` plus 12 s after the signal, even if the store is away or a charge
    point does not answer. The exit code is 0. Before a SIGKILL, give the process `window_s` plus 15 s, which
    is 30 s by default.
    """

    window_s: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="Time over which a gateway spreads its CLOSE frames after the signal. Connections of "
            "charge points with a running transaction are closed last.",
        ),
    ] = 15.0


class GatewayConfig(Struct, frozen=True, forbid_unknown_fields=True):
    store: StoreConfig
    security: SecurityConfig
    listen: ListenConfig = ListenConfig()
    tls: TlsConfig = TlsConfig()
    limits: LimitsConfig = LimitsConfig()
    boot: BootConfig = BootConfig()
    drain: DrainConfig = DrainConfig()
    logs: LogsConfig = LogsConfig()


def check_listen(listen: ListenConfig) -> Networks:
    """Check the settings that depend on each other, and return the trusted networks. Raises ConfigError."""
    if listen.ws_port is None and listen.wss_port is None and listen.client_certificate_port is None:
        raise ConfigError(
            "listen: neither ws_port nor wss_port is set, so no charge point could connect; set at least one"
        )
    trusted = read_networks("listen.trusted_networks", listen.trusted_networks)
    if listen.proxy_protocol and not trusted:
        raise ConfigError(
            "listen.trusted_networks is empty, but listen.proxy_protocol needs it; give the networks of the "
            "proxies"
        )
    return trusted
