"""What a peer may cost us: every buffer, wait and rate of a connection."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds."""

    connections: int = 15_000
    handshakes_in_flight: int = 500
    tls_handshake_s: float = 10.0
    http_upgrade_s: float = 10.0
    head_bytes: int = 16_384
    message_bytes: int = 65_536
    frames_per_message: int = 1_024
    control_frames_per_s: int = 20
    partial_message_s: float = 60.0
    """From a message's first byte to its last; 64 KiB at 9,600 bit/s take 55 s."""
    receive_bytes: int = 16_384
    """Held only while bytes are being read, so it costs an idle connection nothing."""
    send_s: float = 10.0
    close_s: float = 5.0
    ping_interval_s: float = 60.0
    """Silence after which we ping, 0 for never; any frame counts as life (some never answer pings)."""
    pong_s: float = 30.0
    """Further silence after which the connection is cut."""
    mute_s: float = 900.0
    """The same for a peer that never answered a PING, if it is to be borne with: three usual heartbeats."""
