"""The task of an admin process that examines all charge points for what troubles them.

One process at a time does this for the whole store. After each few charge points it rests much longer than it
worked, so that it takes at most a tenth of a core, and requests to the process wait little. For a small fleet
a round takes seconds, and then the next round waits.
"""

from collections.abc import Iterator
from time import perf_counter

import trio

from gateway.service.metrics import Reading
from state import troubles
from state.nodes.duty import hold_duty
from state.store import Store
from state.tenants import tenants
from state.timers import every

TURN_S = 15.0
DUTY_MS = 60_000
RESTS = 9
"""A rest is so many times as long as the work before it."""
_RENEW_S = 10.0
_TENANTS = 100


class Examining:
    """Examines again and again. Its figures are metrics of the process."""

    def __init__(self, store: Store, incarnation: str) -> None:
        self.examined = 0
        self.round_s = 0.0
        self.figures = troubles.Figures()
        """What the last complete round of this process counted."""
        self._store, self._incarnation = store, incarnation
        self._renewed = -_RENEW_S
        self._worked_from = 0.0

    async def run(self) -> None:
        """Examine until cancelled."""
        await every(TURN_S, "troubles", self.turn)

    async def turn(self) -> None:
        """Examine all charge points, if this process has the duty. Raises errors of the store."""
        began, cursor, figures = perf_counter(), None, troubles.Figures()
        while await self._has_duty():
            page = await tenants.list_(self._store, cursor=cursor, limit=_TENANTS)
            for tenant in page.items:
                self._worked_from = perf_counter()
                if not await troubles.examine(self._store, tenant.id, self._rest, figures):
                    return
            cursor = page.next
            if cursor is None:
                self.round_s, self.figures = perf_counter() - began, figures
                return

    def readings(self) -> Iterator[Reading]:
        yield Reading(
            "csms_troubles_examined",
            "Charge points that this process examined for troubles. Each round examines all of them again.",
            self.examined,
        )
        yield Reading(
            "csms_troubles_round_seconds",
            "How long the last round of this process took. 0 means that this process has completed none.",
            self.round_s,
            "gauge",
        )
        yield Reading(
            "csms_open_transactions",
            "Open transactions of all tenants in the last round of this process. One admin process at a time "
            "counts them, so take the maximum of all.",
            self.figures.open_transactions,
            "gauge",
        )
        oldest_ms = self.figures.oldest_ms
        yield Reading(
            "csms_oldest_open_transaction_seconds",
            "Age of the oldest open transaction in the last round of this process, by the receipt of its "
            "start. Take the maximum of all processes.",
            0.0 if oldest_ms is None else max(0.0, (self._store.server_time_ms() - oldest_ms) / 1000),
            "gauge",
        )

    async def _rest(self, examined: int) -> bool:
        self.examined += examined
        await trio.sleep(RESTS * (perf_counter() - self._worked_from))
        goes_on = await self._has_duty()
        self._worked_from = perf_counter()
        return goes_on

    async def _has_duty(self) -> bool:
        """Return whether this process has the duty, which it prolongs long before the duty ends."""
        now = perf_counter()
        if now - self._renewed < _RENEW_S:
            return True
        held = await hold_duty(self._store, "troubles", self._incarnation, DUTY_MS)
        if not held:  # Another process counts now.
            self.figures = troubles.Figures()
        self._renewed = now if held else -_RENEW_S
        return held
