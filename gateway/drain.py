"""Leave in good order: spread the goodbyes, so that the fleet does not come back all at once elsewhere."""

from contextlib import suppress

import structlog
import trio

from gateway.hub import Hub
from gateway.node import Node
from gateway.session.link import Link
from gateway.websocket.close_codes import Close
from state.errors import StoreUnavailable

log = structlog.get_logger()

LAST_WORDS_S = 5.0
"""For what the store must still be told: answers to our calls, ends of sessions, faults."""
CLOSE_S = 8.0
"""For the last goodbye: the call at hand, and the peer's CLOSE."""


async def drain(node: Node, hub: Hub, window_s: float) -> None:
    """CLOSE 1012 to every session, evenly over `window_s` seconds, those that charge last.

    Then tell the store what it does not know yet.
    """
    node.draining = True
    links = sorted((session.link for session in hub), key=lambda link: link.memory.charging_at is not None)
    log.info("drain.started", sessions=len(links), window_s=window_s)
    began = trio.current_time()
    with trio.move_on_at(began + window_s + CLOSE_S):
        async with trio.open_nursery() as nursery:
            for number, link in enumerate(links):
                await trio.sleep_until(began + window_s * number / len(links))
                nursery.start_soon(_close, link)
    # Whoever was admitted while we drained.
    with trio.move_on_after(CLOSE_S):
        async with trio.open_nursery() as nursery:
            for session in hub:
                nursery.start_soon(_close, session.link)
    with trio.move_on_after(LAST_WORDS_S):
        await node.wait_until_seen_through()
        with suppress(StoreUnavailable):
            await node.fault_counts.write()


async def _close(link: Link) -> None:
    link.close_soon(Close.RESTARTING)  # Contained: one that fails must not end the others' good order.
    await link.ended.wait()
