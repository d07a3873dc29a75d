"""Uses of tokens, kept in memory until the store has them. Each token is written at most once a minute.

A handshake and the end of a session are uses. While a session is open, it counts as a use every 15 minutes,
because many sessions may have a token of their own.
"""

from gateway.hub import Hub
from gateway.node import Node
from state.tenants import tokens

TURN_S = 60.0
OPEN_TURNS = 15
"""Every so many turns, the tokens of all open sessions are written."""


class TokenUses:
    def __init__(self, node: Node, hub: Hub) -> None:
        self._node = node
        self._hub = hub
        self._turns = 0

    async def turn(self) -> None:
        """Write what was noted since the last turn.

        If this raises StoreUnavailable, the next turn writes it again.
        """
        if self._turns % OPEN_TURNS == OPEN_TURNS - 1:
            for session in self._hub:
                self._node.note_token(session.link.lease.keys.tenant, session.link.attached.token_id)
        self._turns += 1
        now = dict(self._node.tokens_used)
        await tokens.record_uses(self._node.store, now)
        for token, used_ms in now.items():
            if self._node.tokens_used.get(token) == used_ms:
                del self._node.tokens_used[token]
