"""Refused handshakes, kept in memory until the store has them.

An attack therefore costs the store only a few writes.
"""

from collections.abc import Callable
from contextlib import suppress

import trio

from gateway.handlers.charge_point import now_ms
from state.charge_points import refusals
from state.charge_points.refusals import Refusals
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.store import Store

GATHERED = 2_000
"""Greatest number of refusals of different charge points and reasons that wait for the store.

The same number of refusals of different addresses and reasons may wait, if no charge point is known. Further
refusals are counted in the metric only.
"""
SOON_S = 1.0
"""Time for which the refusal of a charge point waits for others before it is written.

The answer to a charge point is then sent before the store is asked again, so the time of the answer does not
say whether the charge point is registered.
"""
DETAIL_CHARACTERS = 300


class RefusalCounts:
    """Refusals by charge point and reason, or by address and reason if no charge point is known.

    Strangers cannot take the room of the refusals of charge points. `note` is cheap and may be called from
    anywhere. Housekeeping calls `write` every 10 s.
    """

    def __init__(self, store: Store, background: Callable[..., None]) -> None:
        self._store = store
        self._background = background
        self._of_charge_points: dict[tuple[str, str], Refusals] = {}
        self._of_strangers: dict[tuple[str, str], Refusals] = {}
        self._soon = False

    def note(self, keys: ChargePointKeys | None, reason: str, address: str, detail: str = "") -> None:
        shown = detail[:DETAIL_CHARACTERS]
        _add(self._gathered_of(keys), Refusals(keys, reason, 1, now_ms(), address, shown))
        if keys is not None and not self._soon:
            self._soon = True
            self._background(self._write_soon)

    async def write(self) -> None:
        """Write everything that was gathered.

        If this raises StoreUnavailable, the next call writes the refusals that were not sent to the store.
        What a lost reply leaves in doubt is not written again.
        """
        for gathered in (self._of_charge_points, self._of_strangers):
            now = list(gathered.values())
            gathered.clear()
            try:
                if now:
                    await refusals.record(self._store, now)
            except StoreUnavailable as error:
                if not error.sent:
                    for one in now:
                        _add(gathered, one)
                raise

    def _gathered_of(self, keys: ChargePointKeys | None) -> dict[tuple[str, str], Refusals]:
        return self._of_strangers if keys is None else self._of_charge_points

    async def _write_soon(self) -> None:
        await trio.sleep(SOON_S)
        self._soon = False
        with suppress(StoreUnavailable):
            await self.write()


def _add(gathered: dict[tuple[str, str], Refusals], new: Refusals) -> None:
    which = (new.address if new.keys is None else new.keys.member, new.reason)
    before = gathered.get(which)
    if before is None:
        if len(gathered) < GATHERED:
            gathered[which] = new
        return
    latest = before if before.last_ms > new.last_ms else new
    gathered[which] = latest._replace(times=before.times + new.times)
