"""Processes that do a part of the measurement. Each one answers the lines that it gets on stdin."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio

PEPPER = "pepper" * 8
TENANT = "t"
LEAVES_S = 30.0


class Helper:
    """The caller's side of a helper process."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self._unread = b""

    async def ask(self, line: str) -> Any:
        """Send a line and return the answer. Raises EOFError if the process has ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        await self.process.stdin.send_all(line.encode() + b"\n")
        while b"\n" not in self._unread:
            some = await self.process.stdout.receive_some()
            if not some:
                raise EOFError(self.process.args)
            self._unread += some
        answer, _, self._unread = self._unread.partition(b"\n")
        return json.loads(answer)


@asynccontextmanager
async def helper(module: str, *arguments: object) -> AsyncIterator[Helper]:
    """Run a module of this package until the block ends."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", f"{__package__}.{module}", *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield Helper(process)
    finally:
        with trio.CancelScope(shield=True):
            assert process.stdin is not None
            await process.stdin.aclose()
            with trio.move_on_after(LEAVES_S):
                await process.wait()
            if process.returncode is None:
                process.kill()
                await process.wait()


async def answer_lines(answer: Callable[[str], Awaitable[object]]) -> None:
    """Answer the caller's lines until stdin ends. This is the side of the helper process."""
    unread = b""
    async with trio.lowlevel.FdStream(os.dup(0)) as lines:
        while some := await lines.receive_some():
            *whole, unread = (unread + some).split(b"\n")
            for line in whole:
                say(await answer(line.decode()))


def say(answer: object) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")
