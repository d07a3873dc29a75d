"""The judgement that another node is dead. A process judges by its own clock alone.

A wrong judgement marks the charge points of a whole node offline. So the wait of PATIENCE_S begins again
after a failed read, after the return of the store, and after a pause of our own process. After a pause, the
counters that this process read last are as old as the pause was long.
"""

from collections.abc import Mapping
from dataclasses import dataclass

PATIENCE_S = 10.0
GAP_S = 5.0
"""The longest time between two observations that does not count as a pause. Observations come every 3 s."""


@dataclass(slots=True)
class _Seen:
    counter: int
    since: float


class Watch:
    """The counters of all nodes, as one process observed them.

    The caller gives the time, so this class is pure. `now` is the process's monotonic time in seconds at
    which the reply came.
    """

    def __init__(self) -> None:
        self._nodes: dict[str, _Seen] = {}
        self._last: float | None = None
        self._dead: set[str] = set()

    def observe(self, counters: Mapping[str, int], now: float, *, read_ok: bool) -> set[str]:
        """Note the counters of all nodes and return the dead nodes.

        A dead node is returned by each call until its counter changes or the node is forgotten. If `read_ok`
        is false, the counters are ignored and no node is judged.
        """
        if not read_ok:
            self._last = None
            self._dead = set()
            return self._dead
        doubt = self._last is None or now - self._last > GAP_S
        self._last = now
        before = self._nodes
        self._nodes = {}
        for incarnation, counter in counters.items():
            seen = before.get(incarnation)
            if seen is None or seen.counter != counter or doubt:
                seen = _Seen(counter, now)
            self._nodes[incarnation] = seen
        self._dead = {
            incarnation for incarnation, seen in self._nodes.items() if now - seen.since >= PATIENCE_S
        }
        return self._dead

    def dead(self, now: float) -> set[str]:
        """Return the nodes that the last observation found dead, or no node if that was too long ago.

        In the meantime a dead node may have resumed, if the store was away or this process was paused.
        """
        return self._dead if self._last is not None and now - self._last <= GAP_S else set()
