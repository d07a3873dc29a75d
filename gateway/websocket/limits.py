"""Bounds on every buffer, wait and rate of a connection."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a server's connections. Sizes are in bytes, times in seconds."""

    connections: int = 15_000
    connections_per_address: int = 0
    """0 means that there is no such limit."""
    handshakes_in_flight: int = 500
    proxy_header_s: float = 5.0
    tls_handshake_s: float = 10.0
    http_upgrade_s: float = 10.0
    head_bytes: int = 16_384
    message_bytes: int = 1_048_576
    frames_per_message: int = 1_024
    control_frames_per_s: int = 20
    partial_message_s: float = 60.0
    """Time from the first byte of a message to its last byte: 64 KiB at 9,600 bit/s take 55 s.

    A longer message has a second more for each KiB that arrived.
    """
    receive_bytes: int = 16_384
    """Size of the read buffer, which exists only during a read, so that an idle connection has none."""
    send_s: float = 10.0
    close_s: float = 5.0
    ping_interval_s: float = 60.0
    """Silence after which we send a PING.

    0 means that we send no PING. Any frame of the peer ends the silence.
    """
    pong_s: float = 30.0
    """Further silence after a PING until the connection is cut."""
    mute_s: float = 900.0
    """Silence after which a peer that never answered a PING is cut, if the peer is not strict.

    The default is three usual heartbeat intervals.
    """
