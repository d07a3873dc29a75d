"""Counts of charge points' faults, kept in memory until the store has them.

Counting a fault therefore never makes a message wait for a round trip to the store.
"""

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress

import trio

from gateway.handlers.charge_point import now_ms
from state.charge_points import faults
from state.charge_points.faults import FaultBatch, Tally
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.store import Store

MEMBERS = 20_000
"""Greatest number of charge points whose counts are kept until the store has them.

If more charge points have faults, the faults of the others are counted in the metric only.
"""


class _Gathered:
    __slots__ = ("keys", "sent", "tallies")

    def __init__(self, keys: ChargePointKeys) -> None:
        self.keys = keys
        self.tallies: dict[str, Tally] = {}
        self.sent: FaultBatch | None = None
        """The batch that was sent last. The same batch is sent again until the store confirms it."""


class FaultCounts:
    """Counts of faults by charge point. `note` is cheap and may be called from anywhere.

    Housekeeping calls `write` every 10 s. The end of a session and the refusal of a handshake call
    `write_soon`.
    """

    def __init__(self, store: Store, background: Callable[..., None]) -> None:
        self._store = store
        self._background = background
        self._gathered: dict[str, _Gathered] = {}
        self._writing = trio.Lock()
        self._soon = False

    def note[Name: str](self, keys: ChargePointKeys, counts: Mapping[Name, int]) -> None:
        if not counts:
            return
        gathered = self._gathered.get(keys.member)
        if gathered is None:
            if len(self._gathered) >= MEMBERS:
                return
            gathered = self._gathered[keys.member] = _Gathered(keys)
        now = now_ms()
        for name, count in counts.items():
            before = gathered.tallies.get(name)
            gathered.tallies[name] = Tally(count if before is None else before.times + count, now)

    def write_soon(self) -> None:
        """Write the counts in the background.

        Until this write begins, further calls of `write_soon` do nothing.
        """
        if self._gathered and not self._soon:
            self._soon = True
            self._background(self._write_once)

    async def write(self) -> None:
        """Write all counts. If this raises StoreUnavailable, the next call sends the same batches again."""
        async with self._writing:
            batches = [self._next_batch(gathered) for gathered in self._gathered.values()]
            await faults.count(self._store, batches)
            for batch in batches:
                gathered = self._gathered[batch.keys.member]
                gathered.sent = None
                if not gathered.tallies:
                    del self._gathered[batch.keys.member]

    def _next_batch(self, gathered: _Gathered) -> FaultBatch:
        if gathered.sent is None:
            gathered.sent = FaultBatch(gathered.keys, secrets.token_hex(8), gathered.tallies)
            gathered.tallies = {}
        return gathered.sent

    async def _write_once(self) -> None:
        self._soon = False
        with suppress(StoreUnavailable):  # Housekeeping writes again within 10 s.
            await self.write()
