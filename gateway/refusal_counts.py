"""Refused handshakes, kept in memory until the store has them.

An attack therefore costs the store only a few writes.
"""

from collections.abc import Callable
from contextlib import suppress

from gateway.handlers.charge_point import now_ms
from state.charge_points import refusals
from state.charge_points.refusals import Refusals
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.store import Store

GATHERED = 2_000
"""Greatest number of refusals of different charge points, reasons or addresses that wait for the store.

Further refusals are counted in the metric only.
"""
DETAIL_CHARACTERS = 300


class RefusalCounts:
    """Refusals by charge point and reason, or by address and reason if no charge point is known.

    `note` is cheap and may be called from anywhere. Housekeeping calls `write` every 10 s.
    """

    def __init__(self, store: Store, background: Callable[..., None]) -> None:
        self._store = store
        self._background = background
        self._gathered: dict[tuple[str, str], Refusals] = {}
        self._soon = False

    def note(self, keys: ChargePointKeys | None, reason: str, address: str, detail: str = "") -> None:
        which = (address if keys is None else keys.member, reason)
        before = self._gathered.get(which)
        if before is None and len(self._gathered) >= GATHERED:
            return
        times = 1 if before is None else before.times + 1
        shown = detail[:DETAIL_CHARACTERS]
        self._gathered[which] = Refusals(keys, reason, times, now_ms(), address, shown)
        if keys is not None and not self._soon:
            self._soon = True
            self._background(self._write_once)

    async def write(self) -> None:
        """Write everything that was gathered. What a lost reply leaves in doubt is not written again."""
        gathered, self._gathered = self._gathered, {}
        if gathered:
            await refusals.record(self._store, list(gathered.values()))

    async def _write_once(self) -> None:
        self._soon = False
        with suppress(StoreUnavailable):
            await self.write()
