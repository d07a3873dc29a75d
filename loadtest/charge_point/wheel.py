"""All timers of a process in one heap. A task for each timer would cost kilobytes and microseconds."""

import os
import time
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import Final, Protocol

import trio
from outcome import Error

from gateway.websocket import readiness

SLICE_S: Final = 0.002
"""Time that callbacks take in a row before other tasks get their turn."""
_LEAST_S: Final = 1e-6
"""A timer that is set to 0 never rings."""
_KEPT: Final = 1_024
"""Number of cancelled entries that the heap may always have."""


class Entry:
    """A callback that waits for its time."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback


class Alarm(Protocol):
    """Rings once after the time that was set last."""

    def open(self, ring: Callable[[], None]) -> None: ...

    def set(self, seconds: float) -> None: ...

    def close(self) -> None: ...


class TimerAlarm:
    """A timer of Linux, which rings to the microsecond.

    Trio's own timeouts are whole milliseconds, because epoll_wait has no others, and cost more.
    """

    __slots__ = ("_descriptor", "_ring")
    _descriptor: int
    _ring: Callable[[], None]

    def open(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._descriptor = os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)
        readiness.get().add(self._descriptor, self)

    def set(self, seconds: float) -> None:
        os.timerfd_settime(self._descriptor, initial=max(seconds, _LEAST_S))

    def wake(self, *, ended: bool) -> None:
        del ended
        self._ring()

    def close(self) -> None:
        readiness.get().remove(self._descriptor)
        os.close(self._descriptor)


class Wheel:
    """Calls back at times of Trio's clock. Callbacks never block, and what a callback raises ends `run`."""

    __slots__ = ("_alarm", "_cancelled", "_due", "_heap", "_late_s", "_numbers", "_task")

    def __init__(self, alarm: Alarm | None = None) -> None:
        self._alarm = alarm or TimerAlarm()
        self._heap: list[tuple[float, int, Entry]] = []
        self._numbers = count()
        self._cancelled = 0
        self._late_s = 0.0
        self._due = -inf
        """When the alarm will ring. While callbacks are called, and without `run`, it need not be set."""
        self._task: trio.lowlevel.Task | None = None

    def __len__(self) -> int:
        """Return the number of entries in the heap, with the cancelled ones."""
        return len(self._heap)

    def at(self, when: float, callback: Callable[[], object]) -> Entry:
        """Call back at `when`, or as soon as possible if that is past. Equal times keep their order."""
        entry = Entry(callback)
        heappush(self._heap, (when, next(self._numbers), entry))
        if when < self._due:
            self._set_alarm(trio.current_time())
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
        self._alarm.open(self._ring)
        try:
            self._set_alarm(trio.current_time())
            self._task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._stop)
        finally:
            self._due = -inf
            self._alarm.close()

    def _stop(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _set_alarm(self, now: float) -> None:
        self._due = self._heap[0][0] if self._heap else inf
        if self._heap:
            self._alarm.set(self._due - now)

    def _ring(self) -> None:
        """Call what is due, for at most a slice of time."""
        self._due = -inf
        try:
            now = self._call_due()
        except BaseException as error:  # noqa: BLE001  `run` raises it
            task, self._task = self._task, None
            if task is not None:
                trio.lowlevel.reschedule(task, Error(error))
            return
        self._set_alarm(now)

    def _call_due(self) -> float:
        """Call what is due, for at most a slice of time. Returns the time."""
        heap = self._heap
        began = now = trio.current_time()
        while heap and heap[0][0] <= now and now - began < SLICE_S:
            due, _, entry = heappop(heap)
            callback = entry.callback
            if callback is None:
                self._cancelled -= 1
                continue
            entry.callback = None
            self._late_s = max(self._late_s, now - due)
            callback()
            now = trio.current_time()
            heap = self._heap
        return now
