"""Plain counters of one process's transport; whoever exports metrics reads them."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.websocket.server import Handshake


@dataclass(slots=True)
class Stats:
    open: int = 0
    accepted: int = 0
    upgraded: int = 0
    over_limit: int = 0
    accept_errors: int = 0
    crashed: int = 0
    """Connections ended by an exception that nobody expected: each one is a bug, and logged."""
    messages: int = 0
    other_frames: int = 0
    pings: int = 0
    handshake_failures: Counter[str] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)
    closed: Counter[int] = field(default_factory=Counter)
    handshakes: dict["Handshake", None] = field(default_factory=dict)
    """Those in flight, eldest first, of all servers that count together: they share one cap."""

    @property
    def handshaking(self) -> int:
        return len(self.handshakes)
