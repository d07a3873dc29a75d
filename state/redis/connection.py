"""One connection that many tasks share.

A writer sends whole batches of commands, and a reader hands the replies to the tasks in order.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import hiredis
import trio
from redis.exceptions import ResponseError

from state.redis.pending import NOTHING, PendingReplies
from state.redis.transport import Transport

type Arg = str | bytes | int
type Ask = Callable[[Sequence[Sequence[Arg]]], Awaitable[list[Any]]]

# Errors that may end a connection although csms made no mistake.
BROKEN = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, hiredis.ProtocolError)


def pack(command: Sequence[Arg]) -> bytes:
    return hiredis.pack_command(tuple(command))  # type: ignore[arg-type,no-any-return] # hiredis is mistyped.


class RedisConnection:
    """One connection. Use `ask` before `run`, or on a connection that is not shared."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._reader = hiredis.Reader(
            protocolError=hiredis.ProtocolError, replyError=ResponseError, notEnoughData=NOTHING
        )
        self._scope = trio.CancelScope()
        self._why = ""

    async def ask(self, commands: Sequence[Sequence[Arg]]) -> list[Any]:
        """Send commands and return all replies. An error reply is returned as a ResponseError.

        Raises one of the errors in BROKEN. The call has no deadline.
        """
        replies: list[Any] = []
        await self._transport.send(b"".join(map(pack, commands)))
        while len(replies) < len(commands):
            data = await self._transport.receive()
            if not data:
                raise ConnectionResetError("the server closed the connection")
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not NOTHING:
                if type(reply) is not hiredis.PushNotification:
                    replies.append(reply)
        return replies

    async def run(self, pending: PendingReplies) -> str:
        """Serve `pending` until the connection ends, and return why it ended."""
        pending.send_now = self._transport.send_now
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._until_broken, self._write, pending)
                    nursery.start_soon(self._until_broken, self._read, pending)
        finally:
            pending.send_now = None
        return self._why

    def end(self, why: str) -> None:
        self._why = self._why or why
        self._scope.cancel()

    def close(self) -> None:
        self._transport.close()

    async def _until_broken(
        self, part: Callable[[PendingReplies], Awaitable[None]], pending: PendingReplies
    ) -> None:
        try:
            await part(pending)
        except BROKEN as error:
            self.end(f"the connection to the store broke: {error}")

    async def _write(self, pending: PendingReplies) -> None:
        while True:
            await pending.wait_queued()
            await self._transport.send(pending.take())

    async def _read(self, pending: PendingReplies) -> None:
        feed, gets = self._reader.feed, self._reader.gets
        receive, deliver = self._transport.receive, pending.deliver
        while data := await receive():
            feed(data)
            deliver(gets)
        self.end("the store closed the connection")
