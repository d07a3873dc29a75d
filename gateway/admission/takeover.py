"""A newer connection takes a charge point over: its predecessor is closed, on this node or on another one.

The claim of the lease names the predecessor. Another node that has it gets the message `Evict`, closes the
session (`evict`) and answers `Evicted` (`note_gone`). Commands are sent to the new connection after that, or
after 2 s.
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
        """Sessions of other nodes that we wait for, by holder."""

    async def end_predecessor(self, claimed: leases.Claimed) -> None:
        """Close the session that held the lease, and wait until it is gone, 2 s at most."""
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
        """Close our session, whose lease a session of another node has taken, and report when it is gone."""
        await self._close(message.holder)
        await self._send(message.by_node, Evicted(message.holder))

    def note_gone(self, holder: str) -> None:
        """The session of another node that we waited for is gone."""
        if (gone := self._leaving.get(holder)) is not None:
            gone.set()

    async def _close(self, holder: str) -> None:
        session = self._hub.find_holder(holder)
        if session is not None:
            session.link.close_soon(Close.SUPERSEDED)
            await session.link.ended.wait()

    async def _send(self, incarnation: str, message: inbox.Message) -> bool:
        """False: the node is gone, or the store is away; it is a wake-up only."""
        with suppress(StoreUnavailable):
            return await inbox.send(self._node.store, incarnation, message)
        return False
