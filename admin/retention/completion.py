"""The task of an admin process that keeps the order in which transactions were completed.

One process at a time does this for the whole store. Soon after the start it enters what older releases
completed, and every hour it removes entries that are too old.
"""

from time import perf_counter

import structlog
import trio

from state import keys
from state.nodes.duty import hold_duty
from state.store import Store
from state.tenants import tenants
from state.timers import every
from state.transactions import entering

TURN_S = 30.0
REMOVE_EVERY_S = 3600.0
DUTY_MS = 90_000
_TENANTS = 100

_log = structlog.get_logger("csms.admin")


class Completion:
    """Does its work again and again."""

    def __init__(self, store: Store, incarnation: str) -> None:
        self._store, self._incarnation = store, incarnation
        self._searched = False
        self._remove_at = 0.0

    async def run(self) -> None:
        """Work until cancelled."""
        await every(TURN_S, "completion", self.turn)

    async def turn(self) -> None:
        """Do what is due, if this process has the duty. Raises errors of the store."""
        if (self._searched and trio.current_time() < self._remove_at) or not await self._has_duty():
            return
        while not self._searched:
            begin = perf_counter()
            self._searched = await entering.enter_some(self._store)
            await trio.sleep(perf_counter() - begin)  # So that requests to the process wait little.
            if self._searched:
                _log.info("completion.search_over")
            elif not await self._has_duty():
                return
        await self._remove()

    async def _remove(self) -> None:
        cursor: str | None = None
        while True:
            page = await tenants.list_(self._store, cursor=cursor, limit=_TENANTS)
            for tenant in page.items:
                if not await self._has_duty():
                    return
                for partition in range(keys.PARTITIONS):
                    await entering.remove_old(self._store, tenant.id, partition)
            if (cursor := page.next) is None:
                break
        self._remove_at = trio.current_time() + REMOVE_EVERY_S

    async def _has_duty(self) -> bool:
        return await hold_duty(self._store, "completion", self._incarnation, DUTY_MS)
