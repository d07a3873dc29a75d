"""The task of an admin process that works on batches.

Any number of admin processes may do this. Each batch has a lease, so only one of them works on it. If that
process dies, another one goes on within seconds.
"""

from collections.abc import Iterator

import trio

from admin.batches.work import Work
from admin.services import Services
from gateway.service.metrics import Reading
from state.batches import batches, working
from state.timers import contain, vary

LOOK_S = 3.0


class Batches:
    """Works on all batches that no other process works on. Their number is a metric of the process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._working: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Work until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                await contain("batches", self._look, nursery)
                await self._services.batch_begun.wait(vary(LOOK_S))

    def readings(self) -> Iterator[Reading]:
        yield Reading(
            "csms_batches_running",
            "Batches of commands on which this process works now.",
            len(self._working),
            "gauge",
        )

    async def _look(self, nursery: trio.Nursery) -> None:
        for name in await batches.list_running(self._services.store):
            if name not in self._working:
                await contain("batch", self._claim, name, nursery)

    async def _claim(self, name: tuple[str, str], nursery: trio.Nursery) -> None:
        claimed_at = trio.current_time()
        claimed = await working.claim(self._services.store, *name, self._services.inbox.incarnation)
        if claimed is not None:
            work = Work(self._services, claimed, claimed_at)
            self._working.add(name)
            nursery.start_soon(self._work, name, work)

    async def _work(self, name: tuple[str, str], work: Work) -> None:
        try:
            await contain("batch", work.run)
        finally:
            self._working.discard(name)
