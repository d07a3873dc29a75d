"""What stands in for the two sockets of a session, so that no part waits for the kernel or for a server."""

import os
import re
from collections.abc import Mapping, Sequence

from trio.lowlevel import Abort, Task, current_task, reschedule, wait_task_rescheduled

type Reply = bytes | int | Sequence[Reply]
_COMMAND = re.compile(rb"\*\d+\r\n\$\d+\r\n(?:EVALSHA\r\n\$40\r\n([0-9a-f]{40})|(\w+))")
_UNKNOWN = b"-ERR this part of the bench has no fixed reply to this command\r\n"


class FedSocket:
    """The socket of a charge point. `feed` puts bytes in, and `answered` waits until bytes were sent."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0)  # An epoll of the gateway watches it, and it is never readable.
        self._fed = b""
        self._waiting: Task | None = None
        self.sent = b""
        """What was sent last."""

    def feed(self, data: bytes) -> None:
        self._fed, self.sent = data, b""

    async def answered(self) -> bytes:
        if not self.sent:
            self._waiting = current_task()
            await wait_task_rescheduled(self._give_up)
        return self.sent

    def recv(self, size: int, flags: int = 0) -> bytes:  # noqa: ARG002  as a socket has it
        if not self._fed:
            raise BlockingIOError
        data, self._fed = self._fed[:size], self._fed[size:]
        return data

    def send(self, data: bytes) -> int:
        self.sent = bytes(data)
        if self._waiting is not None:
            reschedule(self._waiting)
            self._waiting = None
        return len(data)

    def fileno(self) -> int:
        return self._descriptor

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001  as a socket has it
        pass

    def shutdown(self, how: int) -> None:
        pass

    def close(self) -> None:
        os.close(self._descriptor)

    def _give_up(self, _raise_cancel: object) -> Abort:
        self._waiting = None
        return Abort.SUCCEEDED


class FixedReplies:
    """A connection to a store that gives each command, known by its word or its script, a fixed reply."""

    def __init__(self, replies: Mapping[bytes, bytes]) -> None:
        self._replies = replies
        self._due: list[bytes] = []
        self._reader: Task | None = None

    def send_now(self, data: bytes) -> int:
        self._due += [self._replies.get(sha or word, _UNKNOWN) for sha, word in _COMMAND.findall(data)]
        if self._reader is not None:
            reschedule(self._reader)
            self._reader = None
        return len(data)

    async def send(self, data: bytes) -> None:
        self.send_now(data)

    async def receive(self) -> bytes:
        if not self._due:
            self._reader = current_task()
            await wait_task_rescheduled(self._give_up)
        due, self._due = self._due, []
        return b"".join(due)

    def close(self) -> None:
        pass

    def _give_up(self, _raise_cancel: object) -> Abort:
        self._reader = None
        return Abort.SUCCEEDED


def encode(reply: Reply) -> bytes:
    """Return a reply as the server writes it (RESP)."""
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, bytes):
        return b"$%d\r\n%b\r\n" % (len(reply), reply)
    return b"*%d\r\n%b" % (len(reply), b"".join(map(encode, reply)))
