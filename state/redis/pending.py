"""The commands of one lane that wait for a reply. A command is either not sent yet, or in flight.

This module does no I/O. A task that gives up, or has waited too long, leaves its place empty. An empty place
is dropped if its command was not sent. If the command is in flight, the empty place stays until the reply
comes, and the reply is dropped.

Steps of one turn go one at a time: the next one is sent when the reply to the one before has come. A turn is
the name of a charge point.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Generator
from itertools import chain
from time import monotonic
from typing import Any, override

from hiredis import ProtocolError, PushNotification
from trio.lowlevel import Abort, Task, checkpoint, current_task, reschedule, wait_task_rescheduled

from state.errand import Errand
from state.errors import StoreUnavailable
from state.histogram import Histogram

NOTHING = object()  # The parser returns it if it needs more bytes. None and False would be replies.


class Waiter:
    """A task that waits for one reply or several.

    A Waiter is also the Outcome with which Trio wakes the task. Trio only calls `unwrap`, and making an
    outcome.Value would take 0.4 us.
    """

    __slots__ = ("at", "data", "due", "failure", "replies", "reply", "sent_at", "size", "task", "turn")

    def __init__(self, task: Task | Errand[Any], data: bytes, due: int, turn: str) -> None:
        self.task: Task | Errand[Any] | None = task
        self.turn = turn
        self.data = data
        self.size = len(data)
        self.due = due
        self.replies: list[Any] | None = None if due == 1 else []
        self.reply: Any = None
        self.failure: StoreUnavailable | None = None
        self.at = self.sent_at = monotonic()

    def answer(self, reply: Any) -> None:
        if self.task is not None:
            self.reply = reply
            self._wake()

    def _wake(self) -> None:
        task, self.task = self.task, None
        reschedule(task, self)  # type: ignore[arg-type] # A Waiter is an Outcome, and this one has a Task.

    def wait(self) -> Awaitable[Any]:
        return wait_task_rescheduled(self.give_up)  # noqa: ASYNC105  The caller awaits it.

    def unwrap(self) -> Any:
        if self.failure is None:
            return self.reply
        failure, self.failure = self.failure, None
        try:
            raise failure
        finally:
            # The traceback of the error refers to this frame, so the frame must not keep the error.
            del failure

    def give_up(self, _raise_cancel: object) -> Abort:
        self.task = None
        return Abort.SUCCEEDED

    def fail(self, why: str, *, sent: bool) -> None:
        if self.task is not None:
            self.failure = StoreUnavailable(why, sent=sent)
            self._wake()


class ErrandWaiter(Waiter):
    """An errand that waits."""

    __slots__ = ()

    @override
    def _wake(self) -> None:
        errand, self.task = self.task, None
        errand.resume()  # type: ignore[union-attr]

    @override
    def wait(self) -> Awaitable[Any]:
        return self

    def __await__(self) -> Generator[Any, None, Any]:
        yield self
        return self.unwrap()


class PendingReplies:
    """The waiting commands, limited in number, bytes and age.

    `timeout_s` is the longest wait of a command. `latency` counts the seconds until the replies came, which
    lanes may share, and `deliveries` counts how often replies were handed out, several at once under load.
    """

    def __init__(
        self, *, timeout_s: float, max_commands: int, max_bytes: int, latency: Histogram | None = None
    ) -> None:
        self.timeout_s = timeout_s
        self.latency = latency or Histogram()
        self.deliveries = 0
        self.unsent: deque[Waiter] = deque()
        self.flight: deque[Waiter] = deque()
        self.bytes = 0
        self._max_commands = max_commands
        self._max_bytes = max_bytes
        self._writer: Task | None = None
        self._closed = ""
        self.send_now: Callable[[bytes], int] | None = None
        """Function that sends without waiting and returns how many bytes the kernel took.

        The attribute is None while no connection exists.
        """
        self._left = b""
        self._calm = True
        self._turns: dict[str, deque[Waiter] | None] = {}
        """The turns that have a command queued or in flight, each with the commands that wait for it."""

    def call(self, data: bytes, due: int = 1, turn: str = "") -> Awaitable[Any]:
        """Queue packed commands; `data` has `due` of them. Commands of one `turn` go one at a time.

        Awaiting the result gives the reply, or a list of replies if `due` is more than 1. The caller must
        await the result at once. This is not an async function, because one coroutine less saves 3 % of the
        time of a command. Awaiting raises StoreUnavailable, with `sent` if the command may have been
        executed. Error replies are returned, not raised.
        """
        if (
            self._closed
            or len(self.unsent) + len(self.flight) >= self._max_commands
            or self.bytes > self._max_bytes
        ):
            return self._refuse()
        errand = Errand.current
        if errand is None:
            waiter = Waiter(current_task(), data, due, turn)
        else:
            waiter = errand.waits_for = ErrandWaiter(errand, data, due, turn)
        self.bytes += waiter.size
        if turn:
            if turn in self._turns:
                self._wait_for_turn(waiter)
                return waiter.wait()
            self._turns[turn] = None
        # If other commands were in flight a moment ago, the writer's batch is cheaper than a system call for
        # each command.
        if not (self._calm and not self.flight and not self.unsent and self._send_at_once(waiter)):
            self.unsent.append(waiter)
            self._wake_writer()
        return waiter.wait()

    def _wait_for_turn(self, waiter: Waiter) -> None:
        waiting = self._turns[waiter.turn]
        if waiting is None:
            waiting = self._turns[waiter.turn] = deque()
        waiting.append(waiter)

    def _end_turn(self, turn: str) -> None:
        """Queue the next command of the turn."""
        if waiting := self._turns[turn]:
            self.unsent.append(waiting.popleft())
            self._wake_writer()
        else:
            del self._turns[turn]

    async def _refuse(self) -> Any:
        if Errand.current is None:
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
        """Block the writer until commands or bytes must be sent."""
        if self.unsent or self._left:
            return
        self._writer = current_task()
        await wait_task_rescheduled(self._forget_writer)

    def _forget_writer(self, _raise_cancel: object) -> Abort:
        self._writer = None
        return Abort.SUCCEEDED

    def take(self) -> bytes:
        """Return all queued commands as one batch. These commands count as in flight from now on."""
        unsent, flight, batch, now = self.unsent, self.flight, [self._left], monotonic()
        self._left = b""
        while unsent:
            waiter = unsent.popleft()
            if waiter.task is None:
                self._drop(waiter)
                continue
            batch.append(waiter.data)
            waiter.data = b""
            waiter.sent_at = now
            flight.append(waiter)
        return b"".join(batch)

    def deliver(self, gets: Callable[[], Any]) -> None:
        """Hand the parser's replies to the waiters in order.

        Raises ProtocolError for a reply that belongs to no command.
        """
        flight, turns = self.flight, self._turns
        self._calm = len(flight) == 1
        self.deliveries += 1
        now, observe = monotonic(), self.latency.observe
        while (reply := gets()) is not NOTHING:
            if type(reply) is PushNotification:
                continue
            if not flight:
                raise ProtocolError("the server sent a reply that belongs to no command")
            waiter = flight[0]
            if waiter.replies is not None:
                waiter.replies.append(reply)
                if len(waiter.replies) < waiter.due:
                    continue
                reply = waiter.replies
            flight.popleft()
            observe(now - waiter.at)
            self.bytes -= waiter.size
            if turn := waiter.turn:
                if turns[turn] is None:  # Nearly always. A call would cost 2 % of a step.
                    del turns[turn]
                else:
                    self._end_turn(turn)
            waiter.answer(reply)

    def oldest(self) -> Waiter | None:
        return self.flight[0] if self.flight else self.unsent[0] if self.unsent else None

    def due_at(self) -> float | None:
        """Return when the next command, or the first reply, will have taken `timeout_s`.

        The time of a reply begins when its command is sent: commands may wait for a connection or for their
        turn first, and the connection is not to blame for that. None if nothing waits.
        """
        waiting = chain(self.unsent, *filter(None, self._turns.values()))
        began = [waiter.at for waiter in self.flight if waiter.task is not None]
        began += [waiter.at for waiter in waiting]
        if self.flight:
            began.append(self.flight[0].sent_at)
        first = min(began, default=None)
        return None if first is None else first + self.timeout_s

    def expire(self, now: float) -> None:
        """Fail the commands that were not sent in time."""
        due, timeout = now - self.timeout_s, f"{self.timeout_s:g} s"
        why = f"the store did not take the command within {timeout}"
        if self.send_now is None:
            why = f"there was no connection to the store for {timeout}"
        late = [waiter for turn in self._turns.values() if turn for waiter in _take_older(turn, due)]
        self.bytes -= sum(waiter.size for waiter in late)
        unsent = _take_older(self.unsent, due)
        for waiter in unsent:
            self._drop(waiter)
        # An errand goes on at once, and may queue or send further commands.
        for waiter in (*unsent, *late):
            waiter.fail(why, sent=False)

    def expire_flight(self, now: float) -> None:
        """Fail the commands in flight that have waited too long. Their outcome is unknown."""
        due = now - self.timeout_s
        for waiter in [one for one in self.flight if one.at <= due]:
            waiter.fail(f"the store did not answer within {self.timeout_s:g} s", sent=True)

    def fail_flight(self, why: str) -> None:
        """Fail the commands in flight, whose outcome is unknown.

        Commands that were not sent wait for a new connection.
        """
        self._left = b""
        while self.flight:
            waiter = self.flight.popleft()
            self._drop(waiter)
            waiter.fail(why, sent=True)

    def close(self, why: str) -> None:
        self._closed = why
        self.fail_flight(why)
        while self.unsent:
            waiter = self.unsent.popleft()
            self._drop(waiter)
            waiter.fail(why, sent=False)

    def _drop(self, waiter: Waiter) -> None:
        self.bytes -= waiter.size
        if waiter.turn:
            self._end_turn(waiter.turn)


def _take_older(queue: deque[Waiter], due: float) -> list[Waiter]:
    older = [waiter for waiter in queue if waiter.at <= due]
    if older:
        younger = [waiter for waiter in queue if waiter.at > due]
        queue.clear()
        queue.extend(younger)
    return older
