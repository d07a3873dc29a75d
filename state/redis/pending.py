"""The commands of one lane that wait for a reply: those not yet sent, and those in flight.

There is no I/O here. A task that gives up leaves its place empty. An empty place that was not sent is
dropped. An empty place in flight is skipped when its reply comes, because the command may have been executed.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, cast

from hiredis import ProtocolError, PushNotification
from outcome import Outcome
from trio.lowlevel import Abort, Task, checkpoint, current_task, reschedule, wait_task_rescheduled

from state.errors import StoreUnavailable

NOTHING = object()  # The parser returns this when it needs more bytes, because None and False are replies.


class Waiter:
    """A task that waits for one reply or several.

    It is also the Outcome that Trio wakes the task with. Trio only calls `unwrap`, and making an
    outcome.Value would take 0.4 us.
    """

    __slots__ = ("at", "data", "due", "failure", "replies", "reply", "size", "task")

    def __init__(self, task: Task, data: bytes, due: int) -> None:
        self.task: Task | None = task
        self.data = data
        self.size = len(data)
        self.due = due
        self.replies: list[Any] | None = None if due == 1 else []
        self.reply: Any = None
        self.failure: StoreUnavailable | None = None
        self.at = monotonic()

    def answer(self, reply: Any) -> None:
        if self.task is not None:
            self.reply = reply
            reschedule(self.task, cast("Outcome[Any]", self))
            self.task = None

    def unwrap(self) -> Any:
        if self.failure is None:
            return self.reply
        failure, self.failure = self.failure, None
        try:
            raise failure
        finally:
            del (
                failure
            )  # Its traceback refers to this frame, so keeping it would be a cycle for the collector.

    def give_up(self, _raise_cancel: object) -> Abort:
        self.task = None
        return Abort.SUCCEEDED

    def fail(self, why: str, *, sent: bool) -> None:
        if self.task is not None:
            self.failure = StoreUnavailable(why, sent=sent)
            reschedule(self.task, cast("Outcome[Any]", self))
            self.task = None


class PendingReplies:
    """The waiting commands, limited in number, bytes and age.

    `timeout_s` is the longest wait of a command.
    """

    def __init__(self, *, timeout_s: float, max_commands: int, max_bytes: int) -> None:
        self.timeout_s = timeout_s
        self.unsent: deque[Waiter] = deque()
        self.flight: deque[Waiter] = deque()
        self.bytes = 0
        self._max_commands = max_commands
        self._max_bytes = max_bytes
        self._writer: Task | None = None
        self._closed = ""
        self.send_now: Callable[[bytes], int] | None = None
        """Sends without waiting and returns how many bytes the kernel took. None means no connection."""
        self._left = b""
        self._calm = True

    def call(self, data: bytes, due: int = 1) -> Awaitable[Any]:
        """Queue a packed command, or `due` of them. Awaiting the result gives the reply or a list of them.

        The caller must await at once. This is a plain function because one coroutine less saves 3 % of a
        command. Awaiting raises StoreUnavailable, with `sent` if the command may have been executed. Error
        replies are returned.
        """
        if (
            self._closed
            or len(self.unsent) + len(self.flight) >= self._max_commands
            or self.bytes > self._max_bytes
        ):
            return self._refuse()
        waiter = Waiter(current_task(), data, due)
        self.bytes += waiter.size
        # If others were in flight a moment ago, the writer's batch is cheaper than a system call for each
        # command.
        if not (self._calm and not self.flight and not self.unsent and self._send_at_once(waiter)):
            self.unsent.append(waiter)
            self._wake_writer()
        return wait_task_rescheduled(waiter.give_up)  # noqa: ASYNC105  The caller awaits it.

    async def _refuse(self) -> Any:
        await checkpoint()
        too_much = (
            "too many commands are waiting on one store connection: "
            f"{len(self.unsent) + len(self.flight)} commands (at most {self._max_commands}), "
            f"{self.bytes} bytes (at most {self._max_bytes})"
        )
        raise StoreUnavailable(self._closed or too_much)

    def _send_at_once(self, waiter: Waiter) -> bool:
        """Send a single command without waking the writer.

        Bytes that the kernel does not take go to the writer.
        """
        if self.send_now is None or not (taken := self.send_now(waiter.data)):
            return False
        if taken < waiter.size:
            self._left = waiter.data[taken:]
            self._wake_writer()
        waiter.data = b""
        self.flight.append(waiter)
        return True

    def _wake_writer(self) -> None:
        if self._writer is not None:
            reschedule(self._writer)
            self._writer = None

    async def wait_queued(self) -> None:
        """Park the writer until there is something to send."""
        if self.unsent or self._left:
            return
        self._writer = current_task()
        await wait_task_rescheduled(self._forget_writer)

    def _forget_writer(self, _raise_cancel: object) -> Abort:
        self._writer = None
        return Abort.SUCCEEDED

    def take(self) -> bytes:
        """Return everything that is queued, as one batch that counts as in flight from now on."""
        unsent, flight, batch = self.unsent, self.flight, [self._left]
        self._left = b""
        while unsent:
            waiter = unsent.popleft()
            if waiter.task is None:
                self.bytes -= waiter.size
                continue
            batch.append(waiter.data)
            waiter.data = b""
            flight.append(waiter)
        return b"".join(batch)

    def deliver(self, gets: Callable[[], Any]) -> None:
        """Hand the parser's replies to the waiters in order.

        Raises ProtocolError for a reply to no command.
        """
        flight = self.flight
        self._calm = len(flight) == 1
        while (reply := gets()) is not NOTHING:
            if type(reply) is PushNotification:
                continue
            if not flight:
                raise ProtocolError("a reply that no command asked for")
            waiter = flight[0]
            if waiter.replies is not None:
                waiter.replies.append(reply)
                if len(waiter.replies) < waiter.due:
                    continue
                reply = waiter.replies
            flight.popleft()
            self.bytes -= waiter.size
            waiter.answer(reply)

    def oldest(self) -> Waiter | None:
        return self.flight[0] if self.flight else self.unsent[0] if self.unsent else None

    def expire(self, now: float) -> None:
        """Fail the commands that were not sent in time."""
        while self.unsent and self.unsent[0].at + self.timeout_s <= now:
            waiter = self.unsent.popleft()
            self.bytes -= waiter.size
            waiter.fail(f"there was no connection to the store for {self.timeout_s:g} s", sent=False)

    def fail_flight(self, why: str) -> None:
        """Fail the commands in flight, whose outcome is unknown. The others wait for a new connection."""
        self._left = b""
        while self.flight:
            waiter = self.flight.popleft()
            self.bytes -= waiter.size
            waiter.fail(why, sent=True)

    def close(self, why: str) -> None:
        self._closed = why
        self.fail_flight(why)
        while self.unsent:
            self.unsent.popleft().fail(why, sent=False)
        self.bytes = 0
