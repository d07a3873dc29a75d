"""When is another node dead? A judgement by our own clock alone.

Wrongly calling a node dead marks its fleet offline, so every doubt restarts the patience: a read that failed,
the store's return, and a pause of our own, after which the counters we hold are as old as the pause was long.
"""

from collections.abc import Mapping
from dataclasses import dataclass

PATIENCE_S = 10.0
GAP_S = 5.0
"""Between two of our own observations; they come every 3 s."""


@dataclass(slots=True)
class _Seen:
    counter: int
    since: float


class Watch:
    """Pure: `now` is monotonic seconds of the observing process, of the moment the reply was there."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Seen] = {}
        self._last: float | None = None

    def observe(self, counters: Mapping[str, int], now: float, *, read_ok: bool) -> set[str]:
        """Note all nodes' counters; returns the dead, each time until they count again or are forgotten.

        With `read_ok` false the counters are not looked at, and nobody is judged.
        """
        if not read_ok:
            self._last = None
            return set()
        doubt = self._last is None or now - self._last > GAP_S
        self._last = now
        before = self._nodes
        self._nodes = {}
        for incarnation, counter in counters.items():
            seen = before.get(incarnation)
            if seen is None or seen.counter != counter or doubt:
                seen = _Seen(counter, now)
            self._nodes[incarnation] = seen
        return {incarnation for incarnation, seen in self._nodes.items() if now - seen.since >= PATIENCE_S}
