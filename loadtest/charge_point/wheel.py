"""All timers of a process in one heap. A task for each timer would cost kilobytes and microseconds."""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final

import trio

SLICE_S: Final = 0.002
"""Time that callbacks take in a row before other tasks get their turn."""
_KEPT: Final = 1_024
"""Number of cancelled entries that the heap may always have."""


class Entry:
    """A callback that waits for its time."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback


class Wheel:
    """Calls back at times of Trio's clock. Callbacks never block, and what a callback raises ends `run`."""

    __slots__ = ("_cancelled", "_heap", "_late_s", "_numbers", "_sleep")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Entry]] = []
        self._numbers = count()
        self._cancelled = 0
        self._late_s = 0.0
        self._sleep: trio.CancelScope | None = None

    def __len__(self) -> int:
        """Return the number of entries in the heap, with the cancelled ones."""
        return len(self._heap)

    def at(self, time: float, callback: Callable[[], object]) -> Entry:
        """Call back at `time`, or as soon as possible if that is past. Equal times keep their order."""
        entry = Entry(callback)
        heappush(self._heap, (time, next(self._numbers), entry))
        if self._sleep is not None and time < self._sleep.deadline:
            self._sleep.deadline = time
        return entry

    def cancel(self, entry: Entry) -> None:
        """Forget an entry. An entry that was called or cancelled before is left as it is."""
        if entry.callback is None:
            return
        entry.callback = None
        self._cancelled += 1
        if self._cancelled > max(_KEPT, len(self._heap) // 2):
            self._heap = [item for item in self._heap if item[2].callback is not None]
            heapify(self._heap)
            self._cancelled = 0

    def take_lateness(self) -> float:
        """Return how late the latest callback since the last question was, in seconds."""
        late_s, self._late_s = self._late_s, 0.0
        return late_s

    async def run(self) -> None:
        while True:
            self._call_due()
            if self._heap and self._heap[0][0] <= trio.current_time():
                await trio.lowlevel.checkpoint()
                continue
            try:
                with trio.CancelScope(
                    deadline=self._heap[0][0] if self._heap else float("inf")
                ) as self._sleep:
                    await trio.sleep_forever()
            finally:
                self._sleep = None

    def _call_due(self) -> None:
        """Call what is due, for at most a slice of time."""
        began = now = trio.current_time()
        while self._heap and self._heap[0][0] <= now and now - began < SLICE_S:
            time, _, entry = heappop(self._heap)
            callback = entry.callback
            if callback is None:
                self._cancelled -= 1
                continue
            entry.callback = None
            self._late_s = max(self._late_s, now - time)
            callback()
            now = trio.current_time()
