"""The reaper marks the charge points of dead nodes offline.

All partitions are divided among the living gateways, so one gateway reaps the leases that a dead node holds
in a partition. If two gateways disagree for a moment about their shares, both may reap the same lease, which
does no harm.
"""

import math
import random
from itertools import batched

import msgspec
import structlog
import trio

from gateway.liveness import Liveness
from gateway.node import Node
from state.nodes import held, nodes

log = structlog.get_logger()

REAP_S = 1.0
BUDGET = 2_500
"""Greatest number of leases that one turn reaps, so that reaping leaves the store time for other work."""
READ_AT_ONCE = 32
"""Number of sets that are read at once. Each set has the leases of a dead node in one partition."""
QUIET_S = 60.0
"""Time until the next look at a dead node that held no lease.

A node that was only paused may take its leases back and die before its next heartbeat.
"""


class _Look(msgspec.Struct):
    """A look at the leases of one dead node, partition by partition.

    `next` is the index of the first partition of our share that is still to be read. `found` means that this
    look has found leases. `reaped` counts charge points since the last look that found none.
    """

    next: int = 0
    found: bool = False
    reaped: int = 0
    due_at: float = -math.inf


class Reaper:
    def __init__(self, node: Node, liveness: Liveness) -> None:
        self._node = node
        self._liveness = liveness
        self._looks: dict[str, _Look] = {}
        self._share = range(0)

    async def turn(self) -> None:
        """Reap leases of dead nodes in our share of the partitions, at most BUDGET of them."""
        share, dead = self._liveness.reaped(), self._liveness.dead()
        if share != self._share:
            # The new part of the share may have leases that another gateway left.
            self._share = share
            for look in self._looks.values():
                look.next, look.due_at = 0, -math.inf
        self._looks = {incarnation: self._looks.get(incarnation) or _Look() for incarnation in dead}
        left = BUDGET
        # The order is random, so that no dead node has to wait until all others are done.
        for incarnation in random.sample(sorted(dead), len(dead)):
            look = self._looks[incarnation]
            while left > 0 and look.due_at <= trio.current_time() and incarnation in self._liveness.dead():
                left -= await self._go_on(incarnation, look, left)

    async def _go_on(self, incarnation: str, look: _Look, at_most: int) -> int:
        """Read the next partitions, reap at most `at_most` leases there, and return how many it were."""
        store = self._node.store
        partitions = self._share[look.next : look.next + READ_AT_ONCE]
        found = [
            member for some in await held.list_members(store, incarnation, partitions) for member in some
        ]
        taken = 0
        for some in batched(found[:at_most], held.AT_ONCE, strict=False):
            if incarnation not in self._liveness.dead():
                return taken
            look.found = True
            look.reaped += await held.reap(store, incarnation, some)
            taken += len(some)
        if taken == len(found):
            look.next += READ_AT_ONCE
            if look.next >= len(self._share):
                await self._finish(incarnation, look)
        return taken

    async def _finish(self, incarnation: str, look: _Look) -> None:
        """End a look at all our partitions. A look that found leases is followed by another one."""
        look.next = 0
        if look.found:
            look.found = False
            return
        if look.reaped:
            log.warning("node.reaped", node=incarnation, charge_points=look.reaped)
            look.reaped = 0
        look.due_at = trio.current_time() + QUIET_S
        if self._liveness.is_first_reaper():
            await nodes.forget_silent(self._node.store, incarnation)
