"""Close all sessions before the process ends, and write what the store does not have yet.

The CLOSE frames are spread over time, so that the charge points do not reconnect all at once.

A drain has one deadline, `TAIL_S` after its window. Sessions must end before the last writes begin, because
the end of a session leaves more to write. The last 6 s are therefore for the store alone. No peer and no
absent store can delay the end of the process beyond the deadline.
"""

from collections.abc import Sequence
from contextlib import suppress

import structlog
import trio

from gateway.hub import Hub
from gateway.node import Node
from gateway.session.link import Link
from gateway.websocket.close_codes import Close
from state.errors import StoreUnavailable
from state.nodes import leases, nodes

log = structlog.get_logger()

SESSIONS_S = 6.0
"""Time after the window for the sessions that are still open.

In this time, the last session answers its current call and waits for the peer's CLOSE. If the store is
away, the answer to the current call comes after 5 s (`store.timeout_s`).
"""
LAST_WORDS_S = 4.0
"""Time for writing the last answers to our calls, ends of sessions and counts of faults to the store."""
LEAVE_S = 2.0
"""Time for releasing the leases that were not released yet, and for removing the node from the store."""
TAIL_S = SESSIONS_S + LAST_WORDS_S + LEAVE_S


async def close_sessions(node: Node, hub: Hub, window_s: float) -> None:
    """Send CLOSE 1012 to each session, evenly over `window_s` seconds, and wait for the ends of the sessions.

    Sessions whose charge point last reported a running transaction are closed last. Returns at most
    `window_s + SESSIONS_S` seconds later. The caller then cancels the sessions that have not ended.
    """
    node.draining = node.stopping = True
    if node.moving is not None:
        node.moving.cancel()
    links = idle_first(hub)
    log.info("drain.started", by="signal", sessions=len(links), window_s=window_s)
    began = trio.current_time()
    with trio.move_on_at(began + window_s + SESSIONS_S):
        await close_evenly(links, window_s, Close.RESTARTING)
        async with trio.open_nursery() as nursery:
            for link in links:
                nursery.start_soon(link.wait_ended)
            # A session that does not end must not keep the sessions that were admitted during the drain.
            known = set(links)
            for session in hub:
                if session.link not in known:
                    nursery.start_soon(_close, session.link)
        while late := list(hub):
            async with trio.open_nursery() as nursery:
                for session in late:
                    nursery.start_soon(_close, session.link)


def idle_first(hub: Hub) -> list[Link]:
    """Return the open sessions. Those whose charge point last reported a running transaction come last."""
    return sorted((session.link for session in hub), key=lambda link: link.memory.charging_at is not None)


async def close_evenly(links: Sequence[Link], window_s: float, close: Close) -> None:
    """Begin to close the sessions, evenly over `window_s` seconds. Does not wait for their ends."""
    began = trio.current_time()
    for number, link in enumerate(links):
        await trio.sleep_until(began + window_s * number / len(links))
        link.close_soon(close)


async def write_rest(node: Node, *, deadline: float) -> None:
    """Write what the store does not have yet, and leave the store, in 6 s and before `deadline`.

    If the store is away, other nodes notice that this node is gone, and mark its charge points offline.
    """
    node.fact_log.write()
    deadline = min(deadline, trio.current_time() + LAST_WORDS_S + LEAVE_S)
    with trio.move_on_at(deadline - LEAVE_S) as writing:
        await node.wait_until_seen_through()
        with suppress(StoreUnavailable):
            await node.fault_counts.write()
            await node.refusals.write()
    with trio.move_on_at(deadline) as leaving:
        try:
            # Release the leases that were not released yet.
            await leases.reap(node.store, node.incarnation)
            # A step that is still on its way may take a lease back. If the store forgot the node now, nobody
            # would ever look for this lease.
            if not writing.cancelled_caught:
                await nodes.leave(node.store, node.incarnation)
        except StoreUnavailable as error:
            log.info("node.leave_failed", error=str(error))  # Other nodes soon notice that we left.
    if writing.cancelled_caught or leaving.cancelled_caught:
        log.info("node.leave_failed", error="the store did not answer in time")


async def _close(link: Link) -> None:
    link.close_soon(Close.RESTARTING)  # In the background, an error does not stop the other closes.
    await link.wait_ended()
