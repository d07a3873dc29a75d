"""Lanes. A lane is a connection to one server that many tasks share.

A lane reconnects for ever, and checks each server that it reaches.
"""

from collections.abc import Awaitable, Callable
from time import monotonic

import msgspec
import trio
from redis.exceptions import ResponseError

from state.errors import StoreRefused, StoreUnavailable
from state.redis import checks
from state.redis.connection import BROKEN, Ask, RedisConnection
from state.redis.pending import PendingReplies
from state.redis.transport import connect
from state.redis.url import Address
from state.timers import between

_NO_CLIENT = 2**62
"""No connection has this id. To kill it only shows whether this user may kill connections."""
_BACKOFF_FIRST_S = 0.05
_BACKOFF_MAX_S = 2.0  # Work must resume within 5 s after the server has come back.


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Everything needed to open a connection. `prepare` runs on each connection before other commands do."""

    address: Address
    durability: checks.Durability
    timeout_s: float
    prepare: Callable[[Ask, checks.ServerInfo], Awaitable[None]]


class ConnectionIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """The server of a connection, and the id by which the server knows the connection."""

    client_id: int
    server: checks.ServerInfo


async def open_connection(
    target: Target, before: ConnectionIdentity | None = None
) -> tuple[RedisConnection, ConnectionIdentity]:
    """Connect, log in, check the server and prepare the connection, in at most timeout_s.

    Raises StoreUnavailable or StoreRefused. `before` is the connection that the new connection replaces. The
    server must kill the old connection first, so that commands in its socket cannot be executed after later
    commands on the new connection.
    """
    try:
        with trio.fail_after(target.timeout_s):
            connection = RedisConnection(await connect(target.address))
            try:
                client_id = await checks.greet(connection.ask, target.address)
                server = await checks.check(connection.ask, target.durability)
                same_server = before is not None and before.server.run_id == server.run_id
                await _kill(connection.ask, before.client_id if before and same_server else _NO_CLIENT)
                await target.prepare(connection.ask, server)
            except BaseException:
                connection.close()
                raise
    except trio.TooSlowError:
        raise StoreUnavailable(f"{target.address} did not answer within {target.timeout_s:g} s") from None
    except BROKEN as error:
        raise StoreUnavailable(f"{target.address} cannot be reached: {error}") from error
    return connection, ConnectionIdentity(client_id=client_id, server=server)


async def _kill(ask: Ask, client_id: int) -> None:
    """End another connection of ours.

    Raises StoreUnavailable, and StoreRefused if this user may not do that or the server cannot.
    """
    [reply] = await ask([("CLIENT", "KILL", "ID", client_id)])
    if isinstance(reply, ResponseError):
        checks.raise_if_passing(reply)
        raise StoreRefused(
            f"the store refused CLIENT KILL ({reply}); allow this user the command CLIENT KILL, because a"
            " command that waits on a broken connection must not run after the commands of the next one"
        )


class Lane:
    """A connection that is replaced when it ends.

    `pending` accepts commands at any time, and `run` sends them.
    """

    def __init__(self, target: Target, pending: PendingReplies, changed: Callable[[], None]) -> None:
        self.pending = pending
        self.connection: RedisConnection | None = None
        self.identity: ConnectionIdentity | None = None
        self.trouble: StoreRefused | StoreUnavailable | None = StoreUnavailable(
            f"not connected to {target.address} yet"
        )
        self.reconnects = -1
        self._target = target
        self._changed = changed

    async def run(self) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch)
                await self._serve()
        finally:
            self.pending.close("the store is closed")

    def end(self, why: str) -> None:
        """End the current connection, if any. `run` then makes and checks a new connection."""
        if self.connection is not None:
            self.connection.end(why)

    async def _serve(self) -> None:
        backoff = _BACKOFF_FIRST_S
        while True:
            try:
                self.connection, self.identity = await open_connection(self._target, self.identity)
            except (StoreRefused, StoreUnavailable) as error:
                self.trouble = error
                self._changed()
                await trio.sleep(backoff * between(0.5, 1))
                backoff = min(2 * backoff, _BACKOFF_MAX_S)
                continue
            self.reconnects += 1
            self.trouble = None
            self._changed()
            since = monotonic()
            try:
                why = await self.connection.run(self.pending)
            except BaseException:
                self._disconnect("the store is closed")
                raise
            self._disconnect(why)
            self._changed()
            if monotonic() - since > _BACKOFF_MAX_S:
                backoff = _BACKOFF_FIRST_S
            else:
                await trio.sleep(backoff * between(0.5, 1))
                backoff = min(2 * backoff, _BACKOFF_MAX_S)

    def _disconnect(self, why: str) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None
        self.trouble = StoreUnavailable(why)
        self.pending.fail_flight(why)

    async def _watch(self) -> None:
        """Time out all commands of the lane with a single timer, which is set for the oldest command.

        A connection whose first reply takes as long is ended.
        """
        pending, timeout_s = self.pending, self.pending.timeout_s
        while True:
            due, now = pending.due_at(), monotonic()
            if due is None or due > now:
                await trio.sleep(timeout_s if due is None else due - now)
                continue
            first = pending.flight[0] if pending.flight else None
            # Our process may have been paused while replies came, so let the reader read the socket before
            # commands time out.
            await trio.sleep(0.02)
            now = monotonic()
            if first is not None and pending.flight and pending.flight[0] is first:
                if first.sent_at + timeout_s <= now:
                    # `_serve` fails the commands in flight, when the store is known to be away.
                    self.end(f"the store did not answer within {timeout_s:g} s")
                    await trio.lowlevel.checkpoint()
                else:
                    pending.expire_flight(now)
            pending.expire(now)
