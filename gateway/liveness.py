"""Which nodes live: this node sends heartbeats, and judges which other nodes are dead.

The heartbeat is a task and a connection of its own, so nothing else that this node does can delay it. Each
confirmed heartbeat is followed by one look at the other nodes, so a node that cannot send heartbeats does not
judge.
"""

import math
from collections.abc import Callable

import trio

from gateway.node import Node
from state.errors import StateError
from state.keys import PARTITIONS
from state.nodes import nodes
from state.nodes.liveness import GAP_S, Watch

BEAT_S = 3.0


class Liveness:
    """`report` returns the record of this node with its present status.

    `gateways` lists the gateways that are alive, in the same order on every node.
    """

    def __init__(self, node: Node, report: Callable[[], nodes.NodeRecord]) -> None:
        self._node = node
        self._report = report
        self._watch = Watch()
        self._beaten = trio.Event()
        self._beaten_at = -math.inf
        self._full = False
        self.gateways: list[str] = [node.incarnation]
        self._reapers: list[str] = [node.incarnation]

    async def beat(self) -> None:
        node = self._node
        self._full = await nodes.beat(node.store, node.incarnation, self._report(), node.inbox_read)
        self._beaten_at = trio.current_time()
        self._beaten.set()

    async def wait_beaten(self) -> None:
        """Wait until a heartbeat was confirmed after the last look."""
        await self._beaten.wait()

    async def observe(self) -> None:
        """Read the counters of all nodes, and judge which nodes are dead.

        A node whose own heartbeat was not confirmed since its last look judges no other node. The store may
        answer reads and refuse writes, and then no counter is raised although all nodes live. If the memory
        of the store is full, only the counters of the release before stand still.
        """
        node = self._node
        may_judge = self._beaten.is_set() and trio.current_time() - self._beaten_at <= GAP_S
        self._beaten = trio.Event()
        try:
            known = await nodes.list_nodes(node.store)
        except StateError:
            self._watch.observe({}, trio.current_time(), read_ok=False)
            raise
        counters = {
            one.incarnation: one.counter
            for one in known
            if one.incarnation != node.incarnation and not (self._full and one.format < nodes.BEATS_WHEN_FULL)
        }
        dead = self._watch.observe(counters, trio.current_time(), read_ok=may_judge)
        alive = [one for one in known if one.kind == "gateway" and one.incarnation not in dead]
        self.gateways = sorted({one.incarnation for one in alive} | {node.incarnation})
        # A gateway of the release before reaps in its own way, so no partition is left to it.
        self._reapers = sorted(
            {one.incarnation for one in alive if one.format >= nodes.BEATS_WHEN_FULL} | {node.incarnation}
        )

    def dead(self) -> set[str]:
        """Return the nodes that are judged dead now."""
        return self._watch.dead(trio.current_time())

    def swept(self) -> range:
        """Return this node's share of the partitions, which are divided evenly among the living gateways."""
        return _share(self.gateways, self._node.incarnation)

    def reaped(self) -> range:
        """Return the partitions in which this node reaps the leases of dead nodes."""
        return _share(self._reapers, self._node.incarnation)

    def is_first_reaper(self) -> bool:
        """Return whether this node does the work that one living gateway does for all."""
        return self._reapers[0] == self._node.incarnation


def _share(gateways: list[str], own: str) -> range:
    return range(gateways.index(own), PARTITIONS, len(gateways))
