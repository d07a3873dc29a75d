"""The process whose instructions are counted: `python -m tests.bench.check.measured NAME...`.

It opens and warms up the parts, then writes a line and runs until it may read a line, so that callgrind can
be switched on. Callgrind writes a file whenever the process calls `getppid`, so each second file has the
instructions of one part (`measuring.py`).
"""

import gc
import os
import select
import sys
from contextlib import AsyncExitStack

import trio
from trio.testing import MockClock

from gateway.service import logs
from tests.bench.check.parts import CALIBRATION, PARTS

_WARM_UP = 100
"""Rounds after which Python has adapted the code of a part to its types."""


async def main() -> None:
    parts = [CALIBRATION, *(PARTS[name] for name in sys.argv[1:])]
    async with AsyncExitStack() as stack:
        prepared = [await stack.enter_async_context(part.open()) for part in parts]
        for prepare in prepared:
            await prepare(_WARM_UP)()
        plays = [prepare(part.rounds) for prepare, part in zip(prepared, parts, strict=True)]
        gc.collect()
        gc.freeze()
        gc.disable()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while not select.select([sys.stdin], [], [], 0)[0]:
            pass
        for play in plays:
            os.getppid()
            await play()
            os.getppid()


if __name__ == "__main__":
    logs.configure()
    trio.run(main, clock=MockClock())
