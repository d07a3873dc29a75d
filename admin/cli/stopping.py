"""Being told to stop: once, in order and in time; twice, at once."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType

import trio


class Shutdown:
    """What is done in a scope of `new_scope` need not be finished when the first signal comes."""

    def __init__(self) -> None:
        self.asked = False
        self._scopes: list[trio.CancelScope] = []

    def new_scope(self) -> trio.CancelScope:
        """Return a new scope that is cancelled when we are told to stop."""
        scope = trio.CancelScope()
        self._scopes.append(scope)
        if self.asked:
            scope.cancel()
        return scope

    def ask(self) -> None:
        self.asked = True
        for scope in self._scopes:
            scope.cancel()


@asynccontextmanager
async def bound_shutdown(within_s: float) -> AsyncIterator[Shutdown]:
    """Yield what SIGINT and SIGTERM ask. Then the block has `within_s`, or until the next signal.

    After that this process ends with status 1, and its children, which die with it, by SIGKILL.
    """
    stop = Shutdown()
    previous = signal.signal(signal.SIGALRM, _kill_all)
    try:
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with trio.open_nursery() as nursery:

                async def listen() -> None:
                    async for _ in signals:
                        if stop.asked:
                            _kill_all(signal.SIGALRM, None)
                        signal.setitimer(signal.ITIMER_REAL, within_s)
                        stop.ask()

                nursery.start_soon(listen)
                yield stop
                nursery.cancel_scope.cancel()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _kill_all(_signal: int, _frame: FrameType | None) -> None:
    os.write(sys.stderr.fileno(), b"csms up: stopping took too long or was hurried: killing what is left\n")
    os._exit(1)
