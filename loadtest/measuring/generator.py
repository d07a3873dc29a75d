"""The health of the load generator itself, because a generator in trouble measures its own trouble.

A timer every 50 ms shows how late the event loop is. If a timer comes so late that others should have come
before it, each of these counts with its own delay, as if it had come. Otherwise one long stop would be only
one value among thousands.
"""

import errno
import gc
import math
import os
import resource
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import trio

from loadtest.measuring.histograms import Distribution, count_buckets
from loadtest.measuring.recording import Recorder
from loadtest.results import GeneratorReport
from loadtest.scenario.model import Generator

TIMER_S: Final = 0.05
LOOK_S: Final = 5.0
FILES_SHARE: Final = 0.95
OFTEN: Final = 10
"""Fewer late timers were one short pause, which `lag_max_s` bounds, and say nothing about the whole stage."""
LATE_LEAST: Final = 5
"""Fewer late sends say nothing about the generator, whatever their share."""
_MISSED_MAX: Final = 100_000
_EXHAUSTED: Final = frozenset({errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class _Stage:
    __slots__ = (
        "begin",
        "buckets",
        "connections",
        "cpu_s",
        "files",
        "gc_s",
        "lag_s",
        "lags",
        "memory",
        "name",
    )

    def __init__(self, name: str, begin: float, cpu_s: float) -> None:
        self.name = name
        self.begin = begin
        self.cpu_s = cpu_s
        self.lags = array("d")
        self.buckets: Counter[int] = Counter()
        self.lag_s = 0.0
        self.gc_s = 0.0
        self.memory = 0
        self.files = 0
        self.connections = 0


class Health:
    """Watches this process, stage by stage.

    `lateness` returns how late the latest of the charge points' timers was since the last question.
    """

    def __init__(self, process: str, recorder: Recorder, lateness: Callable[[], float]) -> None:
        self._process = process
        self._recorder = recorder
        self._lateness = lateness
        self._stage: _Stage | None = None
        self._reports: list[GeneratorReport] = []
        self._latest_lag_s = 0.0
        self._collection_began = 0.0
        self._look = trio.Event()
        self._memory = 0
        self._files = 0

    def enter(self, stage: str, at: float) -> None:
        """Begin a stage, and end the one before."""
        self._end_stage(at)
        self._stage = _Stage(stage, at, time.process_time())
        self._look.set()

    async def run(self) -> None:
        """Watch until cancelled. A stage must have been entered."""
        gc.callbacks.append(self._note_collection)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_timers)
                nursery.start_soon(self._look_regularly)
        finally:
            gc.callbacks.remove(self._note_collection)

    def take_lag(self) -> float:
        """Return the greatest lag since the last question, in seconds."""
        lag_s, self._latest_lag_s = self._latest_lag_s, 0.0
        return lag_s

    async def finish(self, at: float) -> list[GeneratorReport]:
        """End the last stage, if it has not ended before. Returns a report of each stage."""
        await self._look_once()
        self._end_stage(at)
        self._stage = None
        return self._reports

    async def _watch_timers(self) -> None:
        due = trio.current_time() + TIMER_S
        while True:
            await trio.sleep_until(due)
            now = trio.current_time()
            due = self._note_timers(due, now, self._lateness())
            self._recorder.tick(now)

    def _note_timers(self, due: float, now: float, late_s: float) -> float:
        """Note the lag of the timers that were due. Returns when the next one is due."""
        number = math.floor((now - due) / TIMER_S) + 1
        first_s = max(late_s, now - due)
        lags = [max(0.0, first_s - TIMER_S * missed) for missed in range(min(number, _MISSED_MAX))]
        self._latest_lag_s = max(self._latest_lag_s, *lags)
        if self._stage is not None:
            self._stage.lags.extend(lag * 1e6 for lag in lags)
            self._stage.lag_s = max(self._stage.lag_s, *lags)
            self._stage.connections = max(self._stage.connections, self._recorder.connected)
        return due + TIMER_S * number

    async def _look_regularly(self) -> None:
        while True:
            self._look = trio.Event()
            await self._look_once()
            with trio.move_on_after(LOOK_S):
                await self._look.wait()

    async def _look_once(self) -> None:
        """Look at files and memory in a thread, because a large process takes many milliseconds for it."""
        self._files, self._memory = await trio.to_thread.run_sync(_look)
        self._keep_look()

    def _keep_look(self) -> None:
        stage = self._stage
        if stage is not None:
            stage.files = max(stage.files, self._files)
            stage.memory = max(stage.memory, self._memory)
            stage.buckets.update(count_buckets(stage.lags))
            stage.lags = array("d")

    def _note_collection(self, phase: Literal["start", "stop"], _info: Mapping[str, int]) -> None:
        now = time.perf_counter()
        if phase == "start":
            self._collection_began = now
        elif self._stage is not None:
            self._stage.gc_s = max(self._stage.gc_s, now - self._collection_began)

    def _end_stage(self, at: float) -> None:
        stage = self._stage
        if stage is None:
            return
        self._keep_look()
        lags = Distribution.of_buckets(stage.buckets)
        seconds = at - stage.begin
        self._reports.append(
            GeneratorReport(
                process=self._process,
                stage=stage.name,
                cpu_share=(time.process_time() - stage.cpu_s) / seconds if seconds > 0 else 0.0,
                lag_p99_s=lags.at(99) if lags.total else 0.0,
                lag_max_s=stage.lag_s,
                memory_bytes=stage.memory,
                files=stage.files,
                files_limit=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
                connections=stage.connections,
                gc_pause_max_s=stage.gc_s,
                lag_often_s=_find_often(lags),
            )
        )


def _find_often(lags: Distribution) -> float:
    """Return the lag that at least `OFTEN` timers, and one in 100, reached."""
    number = max(OFTEN, math.ceil(lags.total / 100))
    return lags.at(100 * (lags.total - number + 1) / lags.total) if lags.total >= number else 0.0


def _look() -> tuple[int, int]:
    """Return the numbers of open files and of bytes of memory."""
    return len(os.listdir("/dev/fd")), _read_memory()  # noqa: PTH208  a Path for each of 20,000 files takes long


def _read_memory() -> int:
    """Return the memory of this process with its part of what processes share (PSS)."""
    try:
        lines = Path("/proc/self/smaps_rollup").read_text("ascii").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def is_exhausted(error: Exception) -> bool:
    """Return whether a connection failed because this machine has no port, file or memory left for it.

    Such failures are counted as `exhausted`.
    """
    return isinstance(error, OSError) and error.errno in _EXHAUSTED


def find_invalid(
    limits: Generator, reports: Sequence[GeneratorReport], stage_counts: Mapping[str, Mapping[str, int]]
) -> list[str]:
    """Return why a run measured its generator. Each reason is named once a stage, for the worst process."""
    reasons: list[str] = []
    for stage in dict.fromkeys(report.stage for report in reports):
        reasons += _judge_stage(limits, stage, [report for report in reports if report.stage == stage])
    for stage, counts in stage_counts.items():
        late, sent = counts.get("late_generator", 0), counts.get("sent", 0)
        if late >= LATE_LEAST and late > limits.late_share * sent:
            reasons.append(
                f"{late:,} of {sent:,} calls in stage {stage} were sent late by the generator itself; at "
                f"most {limits.late_share:.1%} may be"
            )
        if exhausted := counts.get("exhausted", 0):
            reasons.append(
                f"{exhausted:,} connections of stage {stage} found no free port, file or memory here; "
                "use more source addresses (--source-addresses), more processes or fewer charge points"
            )
    return reasons


def judged_lag_s(report: GeneratorReport) -> float:
    """Return the lag that `lag_p99_s` bounds: the p99, if so many timers were late that it says something."""
    return report.lag_p99_s if report.lag_often_s is None else report.lag_often_s


def _judge_stage(limits: Generator, stage: str, reports: Sequence[GeneratorReport]) -> Iterable[str]:
    busy = max(reports, key=lambda report: report.cpu_share)
    if busy.cpu_share > limits.cpu_share:
        yield (
            f"process {busy.process} used {busy.cpu_share:.0%} of a core in stage {stage}; at most "
            f"{limits.cpu_share:.0%} are allowed, so use more processes or fewer charge points"
        )
    slow = max(reports, key=judged_lag_s)
    if judged_lag_s(slow) > limits.lag_p99_s:
        yield (
            f"the timers of process {slow.process} were {judged_lag_s(slow):.3f} s late (p99) in stage "
            f"{stage}; at most {limits.lag_p99_s:g} s are allowed"
        )
    stopped = max(reports, key=lambda report: report.lag_max_s)
    if stopped.lag_max_s > limits.lag_max_s:
        yield (
            f"process {stopped.process} stood still for {stopped.lag_max_s:.3f} s in stage {stage} "
            f"(its longest garbage collection took {stopped.gc_pause_max_s:.3f} s); "
            f"at most {limits.lag_max_s:g} s are allowed"
        )
    full = max(reports, key=lambda report: report.files / report.files_limit)
    if full.files > FILES_SHARE * full.files_limit:
        yield (
            f"process {full.process} had {full.files:,} of at most {full.files_limit:,} files open in stage "
            f"{stage}; use more processes or raise its limit (ulimit -n)"
        )
