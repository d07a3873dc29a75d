"""Measure the store client: `python -m tests.bench.state` starts a private server and takes half a minute."""

import platform
import tempfile
from collections.abc import Awaitable, Callable
from hashlib import sha1
from pathlib import Path
from sys import stdout
from time import perf_counter, process_time

import msgspec
import trio

from state.embedded.embedded import run_embedded
from state.scripts import SCRIPTS, Names, Script
from state.store import Store, StoreConfig, open_store

_SOURCE = "return {'ok', redis.call('HSET', KEYS[1], 'field', ARGV[1])}"
SCRIPTS["bench"] = Script(
    "bench", sha1(_SOURCE.encode(), usedforsecurity=False).hexdigest(), _SOURCE, Names(("k",)), Names(("v",))
)
_SECONDS = 1.5
_ROUNDS = 3

type Operation = Callable[[Store, str], Awaitable[object]]


class Result(msgspec.Struct, frozen=True):
    operations: int
    cpu_s: float
    wall_s: float

    @property
    def per_core_second(self) -> float:
        return self.operations / self.cpu_s


async def get(store: Store, key: str) -> object:
    return await store.execute("GET", key)


async def evalsha(store: Store, key: str) -> object:
    return await store.step("bench", [key], [1])


async def measure(store: Store, operation: Operation, tasks: int) -> Result:
    """Let `tasks` tasks run the operation; return the best of some rounds, because the machine is shared."""
    return max(
        [await _round(store, operation, tasks) for _ in range(_ROUNDS)], key=lambda r: r.per_core_second
    )


async def _round(store: Store, operation: Operation, tasks: int) -> Result:
    done = 0
    end = perf_counter() + _SECONDS

    async def work(key: str) -> None:
        nonlocal done
        mine = 0
        while perf_counter() < end:
            for _ in range(10):
                await operation(store, key)
            mine += 10
        done += mine

    cpu, wall = process_time(), perf_counter()
    async with trio.open_nursery() as nursery:
        for number in range(tasks):
            nursery.start_soon(work, f"{{{number}}}:bench:t/{number}")
    return Result(done, process_time() - cpu, perf_counter() - wall)


async def main() -> None:
    stdout.write(f"{platform.machine()}, Python {platform.python_version()}, fsync, 4 connections\n")
    stdout.write(f"{'':8} {'tasks':>6} {'ops per core-second':>20} {'CPU us/op':>10} {'wall us/op':>11}\n")
    with tempfile.TemporaryDirectory() as directory:
        async with trio.open_nursery() as nursery:
            url = await nursery.start(run_embedded, Path(directory))
            async with open_store(StoreConfig(url=url)) as store:
                for name, operation in (("GET", get), ("EVALSHA", evalsha)):
                    for tasks in (1, 100, 1000):
                        result = await measure(store, operation, tasks)
                        wall_us = result.wall_s / result.operations * tasks * 1e6
                        stdout.write(
                            f"{name:8} {tasks:6} {result.per_core_second:20,.0f}"
                            f" {1e6 / result.per_core_second:10.1f} {wall_us:11.0f}\n"
                        )
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
