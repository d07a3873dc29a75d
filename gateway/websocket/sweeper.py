"""Checks all connections for silence, missing PONGs and unfinished messages, in one task per Trio run."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
import trio

_log = structlog.get_logger()

SWEEP_S = 1.0
# Number of connections that are checked in a row before other tasks get their turn.
SLICE = 500


class Swept(Protocol):
    def check_clock(self, now: float) -> Callable[[], Awaitable[None]] | None:
        """Return the action that is due now, or None. This method must not raise."""


_swept: trio.lowlevel.RunVar[set[Swept]] = trio.lowlevel.RunVar("swept")


def watch(connection: Swept) -> None:
    try:
        connections = _swept.get()
    except LookupError:
        connections = set()
        _swept.set(connections)
        trio.lowlevel.spawn_system_task(_sweep, connections)
    connections.add(connection)


def forget(connection: Swept) -> None:
    _swept.get(set()).discard(connection)


async def _sweep(connections: set[Swept]) -> None:
    async with trio.open_nursery() as nursery:
        while True:
            await trio.sleep(SWEEP_S)
            now = trio.current_time()
            for looked_at, connection in enumerate(tuple(connections)):
                if looked_at % SLICE == SLICE - 1:
                    await trio.lowlevel.checkpoint()
                act = connection.check_clock(now)
                if act is not None:
                    nursery.start_soon(_run_contained, act)


async def _run_contained(act: Callable[[], Awaitable[None]]) -> None:
    try:
        await act()
    except Exception:  # noqa: BLE001  it would end the process, because this is a system task.
        _log.exception("connection.check_failed")
