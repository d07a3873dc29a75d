"""The measured numbers from which sizes are computed, and the commands that measured them."""

from enum import Enum

_FLEET = "`python -m tests.bench.fleet`"
_PACKING = "`python -m tests.bench.packing`"
_IDLE = "`python -m tests.bench.peers --parts idle`"
_DISK = "`python -m tests.bench.slow_disk`"


class Figure(Enum):
    """A measured number."""

    SESSION_KIB = 31.6, "KiB", "Memory of a gateway for an idle session over TLS", _IDLE
    GATEWAY_MIB = (
        111.0,
        "MiB",
        "Memory of a gateway without sessions, after storms",
        ("see [measurements](measurements.md#the-memory-of-a-gateway-after-reconnect-storms)"),
    )
    IDLE_US = (
        5.0,
        "us",
        (
            "CPU of a gateway for a second of an idle session, with a PING a minute, and with a Heartbeat"
            " each 300 s, which the arithmetic subtracts"
        ),
        _FLEET,
    )
    GATEWAY_EMPTY_US = 12_000.0, "us", "CPU of a gateway for a second without sessions", _FLEET
    HEARTBEAT_US = 225.0, "us", "CPU of a gateway for a Heartbeat", _FLEET
    VALUES_US = 525.0, "us", "CPU of a gateway for a MeterValues", _FLEET
    TRANSACTION_US = 4_400.0, "us", "CPU of a gateway for the other seven calls of a transaction", _FLEET
    RECONNECT_US = 2_240.0, "us", "CPU of a gateway for a reconnect with a BootNotification", _FLEET
    STATUS_US = 384.0, "us", "CPU of a gateway for a StatusNotification", _FLEET
    STEP_US = (
        50.0,
        "us",
        "CPU of the store for a step that writes, if many share an fsync (the greatest of two runs)",
        _DISK,
    )
    FSYNC_US = 264.0, "us", "CPU of the store for an fsync: a MeterValues alone, less its step", _FLEET
    UPKEEP_US = (
        0.075,
        "us",
        "CPU of the store for a second of an idle session",
        "`python -m tests.bench.upkeep`",
    )
    GATEWAY_UPKEEP_US = (
        2000.0,
        "us",
        "CPU of the store for a second of a gateway",
        "`python -m tests.bench.upkeep`",
    )
    VALUES_FILE_BYTES = 570.0, "bytes", "Append-only file for a MeterValues", _FLEET
    TRANSACTION_FILE_BYTES = 5_630.0, "bytes", "Append-only file for the other calls of a transaction", _FLEET
    RECONNECT_FILE_BYTES = (
        1_418.0,
        "bytes",
        "Append-only file for a reconnect with a BootNotification",
        _FLEET,
    )
    STATUS_FILE_BYTES = 336.0, "bytes", "Append-only file for a StatusNotification", _FLEET
    CHARGE_POINT_KIB = 4.2, "KiB", "Memory of the store for a charge point that has booted", _FLEET
    CONFIGURATION_KIB = 11.8, "KiB", "Memory of the store for a configuration of 60 keys", _PACKING
    OPEN_KIB = (
        19.0,
        "KiB",
        "Memory of the store for a transaction with 120 messages, before packing",
        _PACKING,
    )
    FACTS_KIB = 0.9, "KiB", "Memory of the store for a transaction without its messages", _PACKING
    PACKED_KIB = 2.2, "KiB", "Memory of the store for 120 messages after packing", _PACKING
    EVENT_BYTES = (
        120.0,
        "bytes",
        "Memory of the store for an event, which is kept for 6 hours",
        ("see [measurements](measurements.md#commands-and-events)"),
    )
    PACK_MS = 12.0, "ms", "CPU of an admin process to pack 120 messages, on a busy machine", _PACKING
    ARCHIVE_MS = 3.8, "ms", "CPU of an admin process to archive a transaction with 120 messages", _PACKING
    ARCHIVE_KIB = 4.4, "KiB", "Archive of a transaction with 120 messages", _PACKING

    def __init__(self, number: float, unit: str, meaning: str, source: str) -> None:
        self.number = number
        self.unit = unit
        self.meaning = meaning
        self.source = source


MESSAGES = 120
"""Messages of the transactions with which the memory of transactions was measured."""
