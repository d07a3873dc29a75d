"""Measure what metrics cost each call: `python -m tests.bench.metrics` takes a minute.

Two variants take turns: histograms as they are, and histograms that do nothing. The result is a ratio of CPU
times, because absolute times depend on the machine.
"""

import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from sys import stdout
from time import process_time
from unittest.mock import patch

import trio

from gateway.telemetry import Telemetry
from state.embedded.embedded import run_embedded
from state.histogram import Histogram
from state.store import Store, StoreConfig, open_store

_TURNS = 41
_COMMANDS = 4_000
_OBSERVATIONS = 100_000
_CALLS = {"Heartbeat": 23.0, "MeterValues": 55.0}
"""CPU time of calls in us, from docs/measurements.md."""


class Nothing(Histogram):
    def observe(self, seconds: float) -> None: ...


async def get_all(store: Store, tasks: int) -> float:
    """Return the CPU seconds of a number of commands."""

    async def work(key: str) -> None:
        for _ in range(_COMMANDS // tasks):
            await store.execute("GET", key)

    began = process_time()
    async with trio.open_nursery() as nursery:
        for number in range(tasks):
            nursery.start_soon(work, f"{{{number}}}:bench")
    return process_time() - began


async def compare(counting: Store, silent: Store, tasks: int) -> tuple[float, float]:
    """Return the CPU time of a command in us, and the part of it that the histogram takes."""
    with_, without = list[float](), list[float]()
    for _ in range(_TURNS):
        with_.append(await get_all(counting, tasks))
        without.append(await get_all(silent, tasks))
    ratio = median(a / b for a, b in zip(with_, without, strict=True))
    return min(with_) / _COMMANDS * 1e6, ratio - 1


def time_of(observe: Callable[[], None]) -> float:
    """Return the shortest time of one call of `observe` in us."""

    def once() -> float:
        began = process_time()
        for _ in range(_OBSERVATIONS):
            observe()
        return process_time() - began

    return min(once() for _ in range(_TURNS)) / _OBSERVATIONS * 1e6


async def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with trio.open_nursery() as nursery:
            config = StoreConfig(url=await nursery.start(run_embedded, Path(directory)))
            async with AsyncExitStack() as stack:
                with patch("state.store.store.Histogram", Nothing):
                    silent = await stack.enter_async_context(open_store(config))
                counting = await stack.enter_async_context(open_store(config))
                for tasks in (1, 100):
                    used, part = await compare(counting, silent, tasks)
                    stdout.write(f"GET, {tasks} tasks: {used:.2f} us, of which the histogram {part:.1%}\n")
            nursery.cancel_scope.cancel()
    telemetry = Telemetry()
    nothing = time_of(lambda: None)
    reply = time_of(lambda: counting.latency.observe(0.0004)) - nothing
    call = time_of(lambda: telemetry.observe_call("Heartbeat", 0.0004)) - nothing
    stdout.write(f"The histogram of replies: {reply:.2f} us. That of calls: {call:.2f} us.\n")
    for action, all_us in _CALLS.items():
        stdout.write(f"Both: {(reply + call) / all_us:.1%} of a {action}\n")


if __name__ == "__main__":
    trio.run(main)
