"""The processes of the whole system, as this admin process sees them by its own clock."""

from collections.abc import Iterable
from dataclasses import dataclass

import trio

from state.errors import StateError
from state.nodes import nodes
from state.nodes.liveness import GAP_S, Watch
from state.nodes.nodes import NodeState
from state.store import Store
from state.timers import every

LOOK_S = 3.0


@dataclass(frozen=True, slots=True)
class SeenNode:
    """A process. `silent_s` is the time since this admin process saw its counter change."""

    state: NodeState
    alive: bool
    silent_s: float


@dataclass(slots=True)
class _Counted:
    counter: int
    at: float


class Nodes:
    """Watches the counters that the heartbeats of all processes raise.

    This process calls another one dead only while its own heartbeats arrive. A store that is full or slow
    stops the counters of all processes, although all of them live.
    """

    def __init__(self, store: Store, own: str) -> None:
        self._store = store
        self._own = own
        self._watch = Watch()
        self._counted: dict[str, _Counted] = {}
        self._hosts: dict[str, str] = {}

    async def run(self) -> None:
        """Look at the processes until cancelled."""
        await every(LOOK_S, "nodes", self.look)

    async def look(self) -> list[SeenNode]:
        """Return all processes: the gateways first, sorted by host and start. Raises StoreUnavailable."""
        try:
            found = await nodes.list_nodes(self._store)
        except StateError:
            self._watch.observe({}, trio.current_time(), read_ok=False)
            raise
        now = trio.current_time()
        counted = {}
        for one in found:
            last = self._counted.get(one.incarnation)
            if last is None or last.counter != one.counter:
                last = _Counted(one.counter, now)
            counted[one.incarnation] = last
        self._counted = counted
        self._hosts = {one.incarnation: one.node.host for one in found if one.node is not None}
        own = counted.get(self._own)
        dead = self._watch.observe(
            {one.incarnation: one.counter for one in found if one.incarnation != self._own},
            now,
            read_ok=own is not None and now - own.at <= GAP_S,
        )
        seen = [
            SeenNode(one, one.incarnation not in dead, now - counted[one.incarnation].at) for one in found
        ]
        return sorted(seen, key=_order)

    async def hosts_of(self, incarnations: Iterable[str]) -> dict[str, str]:
        """Return the hosts of these processes. A process that nobody remembers any more is left out."""
        wanted = set(incarnations)
        unknown = [one for one in wanted if one not in self._hosts]
        fresh = await nodes.read_records(self._store, unknown)
        hosts = self._hosts | {incarnation: record.host for incarnation, record in fresh.items()}
        return {one: hosts[one] for one in wanted if one in hosts}


def _order(seen: SeenNode) -> tuple[bool, str, int, str]:
    node = seen.state.node
    host, started_ms = ("", 0) if node is None else (node.host, node.started_ms)
    return seen.state.kind != "gateway", host, started_ms, seen.state.incarnation
