"""Plain counters of one process's transport; the metrics export each of them."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Stats:
    open: int = 0
    accepted: int = 0
    over_limit: int = 0
    crashed: int = 0
    """Connections ended by an exception that nobody expected: each one is a bug, and logged."""
    messages: int = 0
    handshake_failures: Counter[str] = field(default_factory=Counter)
    closed: Counter[int] = field(default_factory=Counter)
