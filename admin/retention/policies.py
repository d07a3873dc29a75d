"""The task of an admin process that ends transactions by the policies of their tenants.

One process at a time does this for the whole store. A turn looks at a limited number of open transactions,
and the next turn goes on where it ended. The process rests as long as it works, so that requests wait little.
"""

from collections import deque
from collections.abc import Iterator
from time import perf_counter
from typing import NamedTuple

import trio

from admin.routes.last_reading import find_end
from gateway.service.metrics import Reading
from state.nodes.duty import hold_duty
from state.store import Store
from state.tenants import tenants
from state.tenants.tenants import Tenant
from state.timers import every
from state.transactions import ending, listing, meter_values, unended
from state.transactions.unended import Due

TURN_S = 30.0
DUTY_MS = 90_000
LOOKED_AT = 2_000
"""Greatest number of open transactions that one turn looks at, but for those of its last look."""
ENDED = 100
"""Greatest number of transactions that one turn ends, but for those of its last look."""
_AT_ONCE = 100


class _Place(NamedTuple):
    tenant: str
    partition: int
    after: str = "-"


class Policies:
    """Ends transactions again and again. Its counter is a metric of the process."""

    def __init__(self, store: Store, incarnation: str) -> None:
        self.ended = 0
        self._store, self._incarnation = store, incarnation
        self._places: deque[_Place] = deque()

    async def run(self) -> None:
        """Work until cancelled."""
        await every(TURN_S, "ending_by_policy", self.turn)

    async def turn(self) -> None:
        """End what is due, if this process has the duty. Raises errors of the store."""
        if not await self._has_duty():
            self._places.clear()
            return
        policies = await self._read_policies()
        if not self._places:
            for name in policies:
                partitions = await unended.count_open(self._store, name)
                self._places.extend(_Place(name, partition) for partition in partitions)
        looked_at, ended = 0, self.ended
        while self._places and looked_at < LOOKED_AT and self.ended - ended < ENDED:
            begin = perf_counter()
            place = self._places.popleft()
            # A policy that was turned off meanwhile ends nothing any more.
            if (tenant := policies.get(place.tenant)) is not None:
                looked_at += await self._work(tenant, place)
            await trio.sleep(perf_counter() - begin)
            if not await self._has_duty():
                return

    def readings(self) -> Iterator[Reading]:
        yield Reading(
            "csms_policy_ended_transactions",
            "Transactions that this process ended by a policy of their tenant.",
            self.ended,
        )

    async def _has_duty(self) -> bool:
        return await hold_duty(self._store, "policies", self._incarnation, DUTY_MS)

    async def _read_policies(self) -> dict[str, Tenant]:
        """Return the tenants that have a policy."""
        found: dict[str, Tenant] = {}
        cursor: str | None = None
        while True:
            page = await tenants.list_(self._store, cursor=cursor, limit=1000)
            found |= {one.id: one for one in page.items if one.end_superseded or one.end_after_days}
            if (cursor := page.next) is None:
                return found

    async def _work(self, tenant: Tenant, place: _Place) -> int:
        """End some transactions of a partition, and return how many open ones there were to look at."""
        looked = await unended.find_due(self._store, tenant, place.partition, place.after, _AT_ONCE)
        for one in looked.due:
            await self._end(tenant.id, one)
        if looked.after is not None:
            self._places.appendleft(place._replace(after=looked.after))
        return looked.looked_at

    async def _end(self, tenant: str, due: Due) -> None:
        found = await listing.get(self._store, tenant, listing.public_id(due.charge_point, due.id))
        if found is None or found.state != "open":
            return
        values = await meter_values.read_latest(self._store, tenant, due.charge_point, due.id)
        end = find_end(found, values, self._store.server_time_ms(), policy=due.policy)
        # A transaction that still charges is looked at again in the next round.
        self.ended += await ending.end(self._store, tenant, found, end, force=False) == "ended"
