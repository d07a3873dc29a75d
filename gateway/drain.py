"""Close all sessions before the process ends.

The CLOSE frames are spread over time, so that the charge points do not reconnect all at once.
"""

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
"""Time for writing the last answers to our calls, ends of sessions and counts of faults to the store."""
CLOSE_S = 8.0
"""Time that the last session has to answer its current call and to wait for the peer's CLOSE."""


async def drain(node: Node, hub: Hub, window_s: float) -> None:
    """Send CLOSE 1012 to each session, evenly over `window_s` seconds.

    Sessions whose charge point last reported a running transaction are closed last.

    At the end, write what the store does not have yet.
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
    # Close the sessions that were admitted during the drain.
    with trio.move_on_after(CLOSE_S):
        async with trio.open_nursery() as nursery:
            for session in hub:
                nursery.start_soon(_close, session.link)
    with trio.move_on_after(LAST_WORDS_S):
        await node.wait_until_seen_through()
        with suppress(StoreUnavailable):
            await node.fault_counts.write()


async def _close(link: Link) -> None:
    link.close_soon(Close.RESTARTING)  # In the background, an error does not stop the other closes.
    await link.ended.wait()
