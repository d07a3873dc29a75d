"""A takeover: a newer session has claimed the lease of a charge point, so its predecessor is closed.

The claim returns the holder and the node of the predecessor. A predecessor on this node is closed directly.
If the predecessor is on another node, that node gets the message `Evict`, closes the session (`evict`) and
answers with the message `Evicted` (`note_gone`). The node that closes the session counts the takeover. The
new session begins to send commands when its predecessor has ended, but at the latest after 2 s.
"""

from contextlib import suppress

import trio

from gateway.hub import Hub
from gateway.node import Node
from gateway.websocket.close_codes import Close
from state.errors import StoreUnavailable
from state.nodes import inbox, leases
from state.nodes.inbox import Evict, Evicted

PREDECESSOR_S = 2.0


class Takeovers:
    def __init__(self, node: Node, hub: Hub) -> None:
        self._node = node
        self._hub = hub
        self._leaving: dict[str, trio.Event] = {}
        """Names of sessions on other nodes (holders).

        Each name has an event that is set when its session has ended.
        """

    async def end_predecessor(self, claimed: leases.Claimed) -> None:
        """Close the session that held the lease before this claim.

        Wait at most 2 s until the closed session has ended.
        """
        holder, node = claimed.previous_holder, claimed.previous_node
        if not holder or not node:
            return
        with trio.move_on_after(PREDECESSOR_S):
            if node == self._node.incarnation:
                await self._close(holder)
                return
            gone = self._leaving.setdefault(holder, trio.Event())
            try:
                if await self._send(node, Evict(holder, self._node.incarnation)):
                    await gone.wait()
            finally:
                self._leaving.pop(holder, None)

    async def evict(self, message: Evict) -> None:
        """Close a session whose lease was claimed on another node.

        When the session has ended, report this to the node that claimed the lease.
        """
        await self._close(message.holder)
        await self._send(message.by_node, Evicted(message.holder))

    def note_gone(self, holder: str) -> None:
        """Wake the session that waits until this predecessor on another node has ended."""
        if (gone := self._leaving.get(holder)) is not None:
            gone.set()

    async def _close(self, holder: str) -> None:
        session = self._hub.find_holder(holder)
        if session is not None:
            if not session.link.is_closing:
                self._node.background(
                    leases.count_takeover, self._node.store, session.link.lease.keys, holder
                )
            session.link.close_soon(Close.SUPERSEDED)
            await session.link.wait_ended()

    async def _send(self, incarnation: str, message: inbox.Message) -> bool:
        """Send a message to a node. Return False if the node has no inbox or the store does not answer."""
        with suppress(StoreUnavailable):
            return await inbox.send(self._node.store, incarnation, message)
        return False
