"""How `csms up` stops: after the first signal in a fixed order, after the second signal at once."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType

import trio


class Shutdown:
    """The request to stop, which cancels all scopes that `new_scope` has returned."""

    def __init__(self) -> None:
        self.asked = False
        self._scopes: list[trio.CancelScope] = []

    def new_scope(self) -> trio.CancelScope:
        """Return a new scope that the request to stop cancels."""
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
    """Yield a Shutdown that SIGINT or SIGTERM triggers.

    After the signal, the block has `within_s` seconds to end. When they are over, or at the next signal, this
    process ends with status 1, and SIGKILL ends its children.
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
    os.write(
        sys.stderr.fileno(),
        b"csms up: killing the remaining processes, after a second signal or because they took too long\n",
    )
    os._exit(1)
