"""The lanes of a store, and which of them a key uses.

Commands on keys of one charge point use one lane, so they run in the order of the calls. Two lanes are for
special work. `listing` reads whole lists for operators. `liveness` is for heartbeats and for the pulse only,
because a node whose heartbeat is late would be taken for dead.
"""

from binascii import crc_hqx
from collections.abc import Callable
from time import monotonic

from state import keys
from state.errors import StoreRefused, StoreUnavailable
from state.redis.client import Lane

_KEYS_REMEMBERED = 50_000
REMEMBERED_S = 600.0
"""After this time, a new key ends the memory of all others. Those that are in use are soon remembered again.

Otherwise a gateway would grow with each charge point that it ever had: 430 bytes for each (measured).
"""


class Lanes:
    def __init__(self, make: Callable[[], Lane], shared: int) -> None:
        self.listing, self.liveness = make(), make()
        self._shared = [make() for _ in range(shared)]
        self.all = (*self._shared, self.listing, self.liveness)
        self.by_key: dict[str, tuple[Lane, str]] = {}
        """What `of` has returned. The hot path looks here first."""
        self._since = monotonic()

    def of(self, key: str) -> tuple[Lane, str]:
        """Return the lane of a key, and its turn: the charge point to which the key belongs, or ""."""
        return self.by_key.get(key) or self._remember(key)

    def trouble(self) -> StoreRefused | StoreUnavailable | None:
        """Return why the store is not available.

        A refusal is returned before any other reason, because a refusal does not end by itself.
        """
        troubles = [lane.trouble for lane in self.all if lane.trouble is not None]
        return next((t for t in troubles if isinstance(t, StoreRefused)), troubles[0] if troubles else None)

    def stats(self) -> dict[str, int | float]:
        oldest = [waiter.at for lane in self.all if (waiter := lane.pending.oldest()) is not None]
        return {
            "connections": sum(lane.connection is not None for lane in self.all),
            "reconnects": sum(max(0, lane.reconnects) for lane in self.all),
            "queued": sum(len(lane.pending.unsent) for lane in self.all),
            "in_flight": sum(len(lane.pending.flight) for lane in self.all),
            "bytes": sum(lane.pending.bytes for lane in self.all),
            "oldest_s": max(0.0, monotonic() - min(oldest)) if oldest else 0.0,
            "deliveries": sum(lane.pending.deliveries for lane in self.all),
        }

    def _remember(self, key: str) -> tuple[Lane, str]:
        now = monotonic()
        if len(self.by_key) >= _KEYS_REMEMBERED or now - self._since > REMEMBERED_S:
            self.by_key.clear()
            self._since = now
        found = self.by_key[key] = self.choose(key), keys.member_of(key)
        return found

    def choose(self, key: str) -> Lane:
        """Return the lane of a key, without remembering it."""
        if key.startswith(keys.LIVENESS):
            return self.liveness
        start = key.find("{") + 1
        if start and (end := key.find("}", start)) > start:
            key = key[start:end]
        # The lowest six bits of the hash slot are left out, because they are the same for all partitions.
        return self._shared[(crc_hqx(key.encode(), 0) >> 6) % len(self._shared)]
