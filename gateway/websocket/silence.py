"""Judges a peer that has sent nothing for longer than the interval of our PINGs."""

from collections.abc import Callable
from typing import Literal

from gateway.websocket.limits import Limits
from gateway.websocket.socket_stream import SocketStream

type TransportFault = Literal["binary_frame", "no_pong"]


class Silence:
    """What we know about a peer's PONGs."""

    __slots__ = ("_limits", "mute", "pinged_at", "report")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.pinged_at = 0.0
        """When we sent the last PING."""
        self.mute: bool | None = None
        """Whether the peer never answers a PING. None means that csms does not know yet."""
        self.report: Callable[[TransportFault], None] | None = None
        """Gets the faults of the transport that are repaired. None means that no fault is repaired."""

    def judge(self, now: float, last_received: float, stream: SocketStream) -> Literal["wait", "ping", "cut"]:
        """Return what is due at the time `now`, after a silence that is not shorter than the interval."""
        limits = self._limits
        if now - last_received > limits.ping_interval_s + limits.pong_s and not self._may_know_no_ping(
            now, last_received, stream
        ):
            return "cut"
        if self.pinged_at < last_received or (self.mute and now - self.pinged_at >= limits.ping_interval_s):
            return "ping"
        return "wait"

    def _may_know_no_ping(self, now: float, last_received: float, stream: SocketStream) -> bool:
        """Return whether the silence may only mean that the peer does not support PING.

        The result is False if the peer's TCP does not acknowledge what we send.
        """
        if self.report is None or self.mute is False or now - last_received > self._limits.mute_s:
            return False
        if self.pinged_at < last_received or now - self.pinged_at <= self._limits.pong_s:
            return True  # The PONG may still come.
        if stream.has_unacknowledged():
            return False
        if self.mute is None:
            self.mute = True
            self.report("no_pong")
        return True
