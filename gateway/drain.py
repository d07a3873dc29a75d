"""Leave in good order: spread the goodbyes, so that the fleet does not come back all at once elsewhere."""

from contextlib import suppress

import structlog
import trio

from gateway.node import Node
from gateway.session.session import Session
from gateway.websocket.close_codes import Close
from state.errors import StoreUnavailable

log = structlog.get_logger()

LAST_WORDS_S = 5.0
"""For what the store must still be told: answers to our calls, ends of sessions, faults."""
CLOSE_S = 8.0
"""For the last goodbye: the call at hand, and the peer's CLOSE."""


async def drain(node: Node, window_s: float) -> None:
    """CLOSE 1012 to every session, evenly over `window_s` seconds, those that charge last.

    Then tell the store what it does not know yet.
    """
    node.draining = True
    sessions = sorted(node.hub, key=lambda session: session.charging)
    log.info("draining", sessions=len(sessions), seconds=window_s)
    began = trio.current_time()
    with trio.move_on_at(began + window_s + CLOSE_S):
        async with trio.open_nursery() as nursery:
            for number, session in enumerate(sessions):
                await trio.sleep_until(began + window_s * number / len(sessions))
                nursery.start_soon(_goodbye, session)
    # Whoever was admitted while we drained.
    with trio.move_on_after(CLOSE_S):
        async with trio.open_nursery() as nursery:
            for session in node.hub:
                nursery.start_soon(_goodbye, session)
    with trio.move_on_after(LAST_WORDS_S):
        await node.finished()
        with suppress(StoreUnavailable):
            await node.fault_book.write()


async def _goodbye(session: Session) -> None:
    session.close_soon(Close.RESTARTING)  # Contained: one that fails must not end the others' good order.
    await session.ended.wait()
