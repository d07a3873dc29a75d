"""When a process gets SIGHUP, it writes a log line and otherwise ignores the signal.

A gateway with TLS takes the signal itself while it serves (`gateway/tls_edge.py`).
"""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import structlog
import trio

_log = structlog.get_logger()


def run[*Args](work: Callable[[*Args], Awaitable[object]], *args: *Args) -> None:
    """Run like trio.run, but log and ignore SIGHUP. Raises exceptions of `work` in an ExceptionGroup."""
    trio.run(_beside_hangups, partial(work, *args))


async def _beside_hangups(work: Callable[[], Awaitable[object]]) -> None:
    with trio.open_signal_receiver(signal.SIGHUP) as hangups:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_log_each, hangups)
            await work()
            nursery.cancel_scope.cancel()


async def _log_each(hangups: AsyncIterator[int]) -> None:
    async for _ in hangups:
        _log.warning("signal.ignored", signal="SIGHUP")
