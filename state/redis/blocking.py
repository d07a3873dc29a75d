"""Connections for commands that wait in the server.

Each connection belongs to one task while its command runs.
"""

from collections.abc import Sequence
from typing import Any

import trio
from redis.exceptions import ResponseError

from state.errors import StoreUnavailable
from state.redis.client import Target, open_connection
from state.redis.connection import BROKEN, Arg, RedisConnection


class BlockingConnections:
    """The blocking connections, of which at most `limit` are in use at a time. Idle connections stay open."""

    def __init__(self, target: Target, limit: int) -> None:
        self.in_use = 0
        self._target = target
        self._limit = limit
        self._idle: list[RedisConnection] = []
        self._generation = 0

    async def ask(self, command: Sequence[Arg], timeout_s: float) -> Any:
        """Return the reply or a ResponseError.

        Raises StoreUnavailable, for example if all connections are in use.
        """
        if self.in_use >= self._limit:
            await trio.lowlevel.checkpoint()
            raise StoreUnavailable(
                f"all {self._limit} blocking connections to the store are in use; raise blocking_connections"
                " if this lasts"
            )
        self.in_use += 1
        try:
            return await self._ask(command, timeout_s)
        finally:
            self.in_use -= 1

    async def _ask(self, command: Sequence[Arg], timeout_s: float) -> Any:
        generation = self._generation
        connection = self._idle.pop() if self._idle else (await open_connection(self._target))[0]
        whole = False
        try:
            with trio.fail_after(timeout_s + self._target.timeout_s):
                [reply] = await connection.ask([command])
            # A server that becomes a replica unblocks its clients, and this connection must not follow it.
            whole = not (isinstance(reply, ResponseError) and str(reply).startswith("UNBLOCKED"))
        except trio.TooSlowError:
            raise StoreUnavailable("the store did not answer a blocking command in time", sent=True) from None
        except BROKEN as error:
            raise StoreUnavailable(f"the connection to the store broke: {error}", sent=True) from error
        finally:
            # A connection on which a reply is still due is closed, because the next task would get that
            # reply. A connection that is older than the last `close` may lead to a server that is no longer
            # the store.
            if whole and generation == self._generation:
                self._idle.append(connection)
            else:
                connection.close()
        return reply

    def close(self) -> None:
        """Close the idle connections now, and each connection that is in use when its command ends."""
        self._generation += 1
        while self._idle:
            self._idle.pop().close()
