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
            description="Address of the API, which is plain HTTP. If the address is not loopback, put a "
            "proxy with TLS in front of it.",
        ),
    ] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port of the API.")] = 8080
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks of the proxies in front of the API, for example `10.0.0.0/8`. If a request "
            "comes from one of them, the rightmost address in X-Forwarded-For that is in none of them counts "
            "as that of the client. X-Forwarded-For of other clients is ignored. Without this setting, all "
            "clients behind a proxy share the limits of `security` and one address in the log."
        ),
    ] = ()
    health_host: HealthHost = "127.0.0.1"
    health_port: HealthPort = 9181


class AdminSecurity(Struct, frozen=True, forbid_unknown_fields=True):
    """The pepper, which gateways and admin processes share, and the number of wrong API keys in a minute.

    The numbers are those of buckets: a wrong key fills a bucket by one, and a full bucket empties evenly
    within a minute. Each process counts only the keys that it got itself.
    """

    pepper: Pepper
    failures_per_minute_and_address: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Number of requests with a wrong API key from one address within a minute. While "
            "there are more, wrong keys from that address get 429. A right key is served.",
        ),
    ] = 300
    failures_per_minute_and_key: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Number of requests with the id of one API key and a wrong secret from one address "
            "within a minute. While there are more, requests with this id from this address get 429, even if "
            "the key is right. With the default, one of them is let through every 6 s.",
        ),
    ] = 10


class AdminLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """Limits on the memory, time and streams that clients of the API may use in one process."""

    body_bytes: Annotated[
        int,
        Meta(
            ge=1024,
            le=1 << 26,
            description="Greatest length of the body of a request. A request with a longer body gets 413.",
        ),
    ] = 262_144
    body_s: Annotated[
        float,
        Meta(
            gt=0,
            le=86_400,
            description="Time in which the body of a request must arrive. A request with a slower body gets "
            "408.",
        ),
    ] = 10.0
    response_s: Annotated[
        float,
        Meta(
            gt=0,
            le=86_400,
            description="Time after which csms sends no further part of an answer. It ends no send to a "
            "client that does not read, which `limits.unread_s` does. Streams and files have no such limit.",
        ),
    ] = 30.0
    idle_connection_s: Annotated[
        float,
        Meta(
            gt=0,
            le=86_400,
            description="Time that a connection may be idle. The head of a request must also arrive within "
            "this time.",
        ),
    ] = 15.0
    unacknowledged_s: Annotated[
        float,
        Meta(
            ge=0.001,
            le=86_400,
            description="Time after which csms cuts a connection if the client's TCP has not acknowledged "
            "bytes that csms sent.",
        ),
    ] = 20.0
    event_clients: Annotated[
        int,
        Meta(
            ge=1,
            le=100_000,
            description="Greatest number of clients that may read streams of events at once. In addition, "
            "the same number of clients may read streams of traces. A further client gets 503.",
        ),
    ] = 200
    downloads: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="Greatest number of clients that may download files at once: lists as CSV or JSON "
            "lines, traces, and events with `follow=false`. A further client gets 503.",
        ),
    ] = 20
    unread_s: Annotated[
        float,
        Meta(
            ge=0.001,
            le=86_400,
            description="Time within which a client must take each 64 KiB of an answer. csms cuts the "
            "connection of a client that is slower, also of one that reads a little from time to time.",
        ),
    ] = 60.0
    graceful_s: Annotated[
        float,
        Meta(
            ge=0,
            le=86_400,
            description="Time after the signal to stop within which the running requests must end.",
        ),
    ] = 3.0


class IssuerFiles(Struct, frozen=True, forbid_unknown_fields=True):
    """An issuing authority and its key."""

    chain_file: Annotated[
        str,
        Meta(
            min_length=1,
            description="PEM file with the certificate of the issuing authority, then the intermediate "
            "certificates.",
        ),
    ]
    key_file: Annotated[
        str,
        Meta(
            min_length=1,
            description="PEM file with the private key of the issuing authority, without a passphrase. Only "
            "the user of the process may be able to read the file.",
        ),
    ]


class PkiConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The certificate authority that signs the certificate requests of charge points.

    Set `directory`, or `rsa` and `ec`. Without them the process signs nothing.
    """

    directory: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(description="Directory that `csms pki init` made. It needs no keys of roots."),
    ] = None
    rsa: Annotated[IssuerFiles | None, Meta(description="Authority for charge points with an RSA key.")] = (
        None
    )
    ec: Annotated[IssuerFiles | None, Meta(description="Authority for charge points with an EC key.")] = None
    charge_point_days: Annotated[
        int,
        Meta(
            ge=1,
            le=36_500,
            description="Number of days for which a certificate of a charge point is valid. A certificate "
            "does not outlive its issuing authority.",
        ),
    ] = 365


class ArchiveConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The archive, to which finished transactions move with their meter values ([archive](archive.md)).

    Without `directory`, the process neither writes nor reads an archive.
    """

    directory: Annotated[
        Annotated[str, Meta(min_length=1)] | None,
        Meta(
            description="Directory of the archive. It is made if it does not exist, but its parent directory "
            "must exist. Several processes may have the same directory; one of them writes it. The archive "
            "has personal data, so only the user of the process can read it."
        ),
    ] = None
    every_s: Annotated[
        int,
        Meta(
            ge=1,
            le=86_400,
            description="Time between two turns of archiving. Each turn writes one file for each tenant and "
            "day that has new finished transactions.",
        ),
    ] = 900


class RetentionConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How long finished transactions stay in the store. An open transaction always stays."""

    transactions_hot_h: Annotated[
        float,
        Meta(
            ge=0,
            le=87_600,
            description="Number of hours that a finished transaction stays in the store, counted from the "
            "receipt of its stop, if it is in the archive by then. A transaction that is not in the archive "
            "stays.",
        ),
    ] = 48.0
    transactions_days: Annotated[
        Annotated[int, Meta(ge=1, le=36_500)] | None,
        Meta(
            description="Number of days after which a finished transaction is deleted for ever, for systems "
            "without an archive. It cannot be set together with `archive.directory`. Without it, csms "
            "deletes no transaction.",
        ),
    ] = None


class PackingConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The packing of meter values of finished transactions, which one admin process does for the store."""

    after_s: Annotated[
        float,
        Meta(
            ge=0,
            le=604_800,
            description="Time between the receipt of a stop, or the end by an operator, and the packing. "
            "Most late meter values come within this time. Later ones are packed too, but cost more.",
        ),
    ] = 300.0


class AdminConfig(Struct, frozen=True, forbid_unknown_fields=True):
    store: StoreConfig
    security: AdminSecurity
    listen: AdminListen = AdminListen()
    limits: AdminLimits = AdminLimits()
    pki: PkiConfig = PkiConfig()
    archive: ArchiveConfig = ArchiveConfig()
    retention: RetentionConfig = RetentionConfig()
    packing: PackingConfig = PackingConfig()
    logs: LogsConfig = LogsConfig()
