"""Plain counters of the transport of a process, and the memory that its connections share."""

from collections import Counter
from dataclasses import dataclass, field

from gateway.websocket.large_messages import LargeMessages

LARGE_MESSAGES_BYTES = 33_554_432


@dataclass(slots=True)
class Stats:
    open: int = 0
    accepted: int = 0
    over_limit: int = 0
    of_address: Counter[str] = field(default_factory=Counter)
    """Open connections by address, if their number is limited."""
    crashed: int = 0
    """Connections that ended by an unexpected exception. Each such exception is a defect and is logged."""
    messages: int = 0
    handshake_failures: Counter[str] = field(default_factory=Counter)
    closed: Counter[int] = field(default_factory=Counter)
    large_messages: LargeMessages = field(default_factory=lambda: LargeMessages(LARGE_MESSAGES_BYTES))
