"""A ceiling of memory, so that a full process refuses new sessions instead of losing those it has.

The kernel kills a process whose container has no memory left, and all its charge points lose their
connection at once.
"""

import math
from collections.abc import Callable
from time import monotonic

import structlog
import trio

from gateway.service import machine

REFUSES_AT = 0.85
ACCEPTS_BELOW = 0.80
_EVERY_S = 1.0
_SOON_S = 0.05

_log = structlog.get_logger()


class MemoryCeiling:
    """The limit and the use of memory, in bytes. `limit` is 0 if there is none.

    `is_reached` is what `refuses` said last.
    """

    def __init__(
        self, limit_bytes: int, read_used: Callable[[], machine.Used | None] = machine.read_used
    ) -> None:
        self.limit = limit_bytes
        self.used = 0
        self.is_reached = False
        self._looked_at = -math.inf
        self._read_used = read_used

    def refuses(self) -> bool:
        """Return whether a new connection must be refused. A storm fills memory faster than `watch` looks."""
        if monotonic() - self._looked_at >= _SOON_S:
            self.look()
        return self.is_reached

    async def watch(self) -> None:
        while True:
            self.look()
            await trio.sleep(_EVERY_S)

    def look(self) -> None:
        self._looked_at = monotonic()
        used = self._read_used()
        if used is None:
            return
        self.used = used.resident
        share = used.resident / self.limit if self.limit else 0.0
        if (address_space := machine.address_space_limit()) is not None:
            share = max(share, used.address_space / address_space)
        reached = share >= (ACCEPTS_BELOW if self.is_reached else REFUSES_AT)
        if reached != self.is_reached:
            _log.warning(
                "memory.ceiling_reached" if reached else "memory.ceiling_left",
                used_mib=self.used >> 20,
                percent=round(share * 100),
            )
        self.is_reached = reached


def find_limit(configured: int | None) -> int:
    """Return the limit in bytes: the one that is configured, or else the container's, or else 0."""
    return (machine.container_memory() or 0) if configured is None else configured
