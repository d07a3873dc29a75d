"""The task of an admin process that packs the meter values of finished transactions.

One process at a time does this for the whole store. It looks every half a minute, and rests as long as it
works, so that requests to the process wait little.
"""

from collections.abc import Iterator
from time import perf_counter

import structlog
import trio

from admin.config import PackingConfig
from gateway.service.metrics import Reading
from state.nodes.duty import hold_duty
from state.store import Store
from state.timers import every
from state.transactions import packing, unqueued

TURN_S = 30.0
DUTY_MS = 90_000
_AT_ONCE = 5
"""Transactions that are packed before a rest."""

_log = structlog.get_logger("csms.admin")


class Packing:
    """Packs again and again. Its counters are metrics of the process."""

    def __init__(self, store: Store, incarnation: str, config: PackingConfig) -> None:
        self.backlog_s = 0.0
        self.transactions = self.blocks = 0
        self._store, self._incarnation, self._after_ms = store, incarnation, int(config.after_s * 1000)
        self._searched = False

    async def run(self) -> None:
        """Pack until cancelled."""
        await every(TURN_S, "packing", self.turn)

    async def turn(self) -> None:
        """Pack what is due, if this process has the duty. Raises errors of the store."""
        if not self._store.packs:
            self.backlog_s = 0.0
            return
        due = await self._look()
        if not (due or not self._searched) or not await self._has_duty():
            return
        if not self._searched:
            await self._search()
            due = await self._look()
        for partition in due:
            while await self._has_duty() and await self._pack_some(partition) == _AT_ONCE:
                pass
        await self._look()

    def readings(self) -> Iterator[Reading]:
        yield Reading(
            "csms_packing_backlog_seconds",
            "How long the meter values of a finished transaction have been due for packing, at most. Each "
            "admin process reports the same figure.",
            self.backlog_s,
            "gauge",
        )
        yield Reading(
            "csms_packed_transactions",
            "Finished transactions whose meter values this process packed. One with late values counts "
            "again.",
            self.transactions,
        )
        yield Reading("csms_packed_blocks", "Blocks of meter values that this process wrote.", self.blocks)

    async def _has_duty(self) -> bool:
        return await hold_duty(self._store, "packing", self._incarnation, DUTY_MS)

    async def _look(self) -> list[int]:
        """Return the partitions with due transactions, the longest due first, and note the backlog."""
        oldest, now_ms = await packing.read_oldest(self._store), self._store.server_time_ms()
        due = {partition: at_ms for partition, at_ms in oldest.items() if at_ms < now_ms - self._after_ms}
        self.backlog_s = max((now_ms - self._after_ms - at_ms for at_ms in due.values()), default=0) / 1000
        return sorted(due, key=due.__getitem__)

    async def _search(self) -> None:
        """Find what older releases finished. Each step is followed by a rest."""
        while not self._searched:
            begin = perf_counter()
            self._searched = await unqueued.queue_some(self._store)
            await trio.sleep(perf_counter() - begin)
            if not self._searched and not await self._has_duty():
                return
        _log.info("packing.search_over")

    async def _pack_some(self, partition: int) -> int:
        begin, before_ms = perf_counter(), self._store.server_time_ms() - self._after_ms
        done = await packing.pack_due(
            self._store, partition, before_ms, _AT_ONCE, count_block=self._count_block
        )
        self.transactions += done
        await trio.sleep(perf_counter() - begin)
        return done

    def _count_block(self) -> None:
        self.blocks += 1
