"""Counts the client certificates that are about to expire, and warns of them 30, 7 and 1 days before."""

import structlog
import trio

from state.features import issued_certificates
from state.store import Store
from state.tenants import tenants
from state.timers import contain, vary

TURN_S = 300.0
_TENANTS = 100
_NAMED = 10
"""Greatest number of charge points that one warning names."""

_log = structlog.get_logger("csms.admin")


class Expiry:
    """`counts` has the certificates of all tenants by BUCKETS. It is empty until the first turn is over."""

    def __init__(self, store: Store) -> None:
        self.counts: dict[str, int] = {}
        self._store = store

    async def run(self) -> None:
        """Count every few minutes until cancelled."""
        while True:
            await contain("expiry", self.turn)
            await trio.sleep(vary(TURN_S))

    async def turn(self) -> None:
        """Count the certificates of all tenants. One process examines those of a tenant once a day."""
        store, cursor = self._store, None
        counts = await issued_certificates.count(store, [], 0)
        while True:
            page = await tenants.list_(store, cursor=cursor, limit=_TENANTS)
            names = [tenant.id for tenant in page.items]
            for name in names:
                await self._examine(name)
            some = await issued_certificates.count(store, names, store.server_time_ms())
            counts = {bucket: number + some[bucket] for bucket, number in counts.items()}
            cursor = page.next
            if cursor is None:
                break
        self.counts = counts

    async def _examine(self, tenant: str) -> None:
        turn = await issued_certificates.claim_turn(self._store, tenant)
        if turn is None:
            return
        found = await issued_certificates.examine(self._store, tenant, turn)
        for days, expiring in sorted(found.items()):
            names = dict.fromkeys(one.charge_point for one in expiring)
            _log.warning(
                "certificates.expiring" if days else "certificates.expired",
                tenant=tenant,
                days=days,
                certificates=len(expiring),
                charge_points=list(names)[:_NAMED],
            )
