"""Frames above 64 KiB, and a budget of memory that is spent."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.websocket.close_codes import Close
from gateway.websocket.server import Server
from tests.support.websocket_frames import frame, plain

KIB_64 = 65_536
MIB = 1_048_576
BUDGET = 100_000
NO_ROOM = plain(0x88, (1013).to_bytes(2) + Close.NO_ROOM.reason.encode())
UNFINISHED = plain(0x88, (1008).to_bytes(2) + Close.UNFINISHED.reason.encode())
LARGE = frame(0x81, b"x" * 200_000)
ANSWER = plain(0x81, b"x" * 200_000)


@asynccontextmanager
async def spent(server: Server, size: int = BUDGET) -> AsyncIterator[Callable[[], None]]:
    """Take the whole budget. The block gets a function that gives the budget back."""
    large, occupant = server.stats.large_messages, object()
    assert await large.hold(occupant, size)
    try:
        yield lambda: large.release(occupant)
    finally:
        large.release(occupant)


def waiting(server: Server) -> int:
    return len(server.stats.large_messages._waiting)
