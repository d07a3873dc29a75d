"""Plain counters of the websocket transport of a process. The metrics export each counter."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Stats:
    open: int = 0
    accepted: int = 0
    over_limit: int = 0
    crashed: int = 0
    """Connections that ended by an unexpected exception. Each such exception is a defect and is logged."""
    messages: int = 0
    handshake_failures: Counter[str] = field(default_factory=Counter)
    closed: Counter[int] = field(default_factory=Counter)
