"""A charge point that does not give up: it keeps its queue over reconnects and repeats what failed.

The rules are those of OCPP 1.6 (TransactionMessageAttempts, TransactionMessageRetryInterval): transaction
messages are delivered in their order, one at a time. A message that the central system refuses with a
CALLERROR is sent again with the same content, after the interval times the number of its transmissions, until
the attempts are used up. A message without an answer is sent again over the next connection.
"""

import random
from collections import Counter, deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import trio

from gateway.websocket.client import UpgradeRefused
from gateway.websocket.close_codes import ConnectionClosed
from gateway.websocket.connection import Connection
from loadtest.history import Acknowledged, Content, Journal, Sent, Start, Stop
from loadtest.now import now_ms, now_text

type Serve = Callable[[str, Any], Any]
"""A function that returns the payload of the CALLRESULT for a call, or None if the call gets no answer."""

type Span = tuple[float, float]
"""The least and the greatest number of seconds of a random time."""


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """How a charge point behaves.

    `attempts` and `retry_s` are TransactionMessageAttempts and TransactionMessageRetryInterval. `doubts` is
    the share of acknowledged facts that the charge point sends again as if it had not got the answer.
    """

    attempts: int = 3
    retry_s: float = 60.0
    answer_s: float = 30.0
    reconnect_s: Span = (0.5, 5.0)
    charge_s: Span = (5.0, 30.0)
    pause_s: Span = (1.0, 10.0)
    values: int = 2
    heartbeat_s: float = 300.0
    doubts: float = 0.0
    queue: int = 20


class Answer(msgspec.Struct, frozen=True):
    """An answer, with the times of the call and of the answer by Trio's clock.

    `error` is the code of a CALLERROR, or None.
    """

    charge_point: str
    action: str
    sent: float
    answered: float
    error: str | None


class _Queued(msgspec.Struct, kw_only=True):
    action: str
    transaction: int
    payload: dict[str, Any]
    content: Content | None = None
    transmissions: int = 0
    failures: int = 0
    id: str = ""


class RetryingChargePoint:
    def __init__(
        self,
        id_: str,
        connect: Callable[[], AbstractAsyncContextManager[Connection]],
        journal: Journal,
        habits: Habits,
        dice: random.Random,
        *,
        serve: Serve = lambda _action, _payload: {"status": "Accepted"},
        on_answer: Callable[[Answer], None] = lambda _answer: None,
    ) -> None:
        """`connect` opens a new connection each time that it is called."""
        self.id = id_
        self.connection: Connection | None = None
        self.connections = 0
        self.ends: Counter[str] = Counter()
        """How connections ended, and why handshakes failed."""
        self.errors: Counter[str] = Counter()
        """Codes of the CALLERRORs of the central system."""
        self.dropped = 0
        """Messages that were given up because their attempts were used up."""
        self._connect = connect
        self._journal = journal
        self._habits = habits
        self._dice = dice
        self._serve = serve
        self._on_answer = on_answer
        self._keeps_ids = dice.random() < 0.5  # Some charge points repeat a message with its old message id.
        self._use_of = trio.CancelScope()
        self._queue: deque[_Queued] = deque()
        self._changed = trio.Event()
        self._over = False
        self._booted = False
        self._ids: dict[int, int] = {}
        self._given_up: set[int] = set()
        self._numbers = 0
        self._awaited = ""
        self._answered = trio.Event()
        self._answer: list[Any] = []

    async def run(self, leave: trio.Event) -> None:
        """Charge until `leave`, then deliver what is still in the queue."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._charge, leave)
            while not self._done:
                try:
                    async with self._connect() as connection:
                        await self._use(connection)
                except UpgradeRefused as refused:
                    self.ends[f"refused with {refused.status}"] += 1
                except (OSError, trio.TooSlowError) as error:
                    self.ends[type(error).__name__] += 1
                if not self._done:
                    await trio.sleep(self._dice.uniform(*self._habits.reconnect_s))
            nursery.cancel_scope.cancel()

    def drop(self) -> None:
        """Break the present connection, if there is one, without a CLOSE. The charge point comes back."""
        if self.connection is not None:
            self._use_of.cancel()

    @property
    def _done(self) -> bool:
        return self._over and not self._queue

    @property
    def waiting(self) -> int:
        """Number of messages in the queue."""
        return len(self._queue)

    # --- What happens at the charge point -----------------------------------------------------------

    async def _charge(self, leave: trio.Event) -> None:
        number = 0
        while not leave.is_set():
            with trio.move_on_after(self._dice.uniform(*self._habits.pause_s)):
                await leave.wait()
            while len(self._queue) >= self._habits.queue:
                await self._wait_changed()
            if not leave.is_set():
                number += 1
                await self._charge_once(number, leave)
        self._over = True
        self._change()

    async def _charge_once(self, number: int, leave: trio.Event) -> None:
        meter = number * 1_000
        start = Start(connector_id=1, id_tag=f"TAG-{self.id}"[:20], meter_start=meter, timestamp=now_text())
        self._add("StartTransaction", number, _payload(start), start)
        pause_s = self._dice.uniform(*self._habits.charge_s) / (self._habits.values + 1)
        for count in range(self._habits.values):
            with trio.move_on_after(pause_s):
                await leave.wait()
            sample = {"timestamp": now_text(), "sampledValue": [{"value": str(meter + count)}]}
            self._add("MeterValues", number, {"connectorId": 1, "meterValue": [sample]})
        with trio.move_on_after(pause_s):
            await leave.wait()
        self._add("StopTransaction", number, {"meterStop": meter + 500, "timestamp": now_text()})

    def _add(self, action: str, number: int, payload: dict[str, Any], content: Content | None = None) -> None:
        if number not in self._given_up:
            self._queue.append(_Queued(action=action, transaction=number, payload=payload, content=content))
            self._change()

    def _change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _wait_changed(self) -> None:
        await self._changed.wait()

    # --- The connection -----------------------------------------------------------------------------

    async def _use(self, connection: Connection) -> None:
        self.connections += 1
        self.connection = connection
        try:
            async with trio.open_nursery() as nursery:
                self._use_of = nursery.cancel_scope
                nursery.start_soon(self._listen, connection, nursery.cancel_scope)
                if not await self._deliver(connection):
                    self.ends["given up by the charge point"] += 1
                nursery.cancel_scope.cancel()
        finally:
            self.connection = None

    async def _listen(self, connection: Connection, over: trio.CancelScope) -> None:
        async def receive(frame: bytes) -> None:
            message = msgspec.json.decode(frame)
            if message[0] != 2:
                if message[1] == self._awaited:
                    self._answer = message
                    self._answered.set()
                return
            result = self._serve(message[2], message[3])
            if result is not None:
                try:
                    await connection.send(msgspec.json.encode([3, message[1], result]))
                except ConnectionClosed:
                    return

        closed = await connection.run(receive)
        self.ends[f"{closed.code} {closed.by}"] += 1
        over.cancel()

    async def _deliver(self, connection: Connection) -> bool:
        """Deliver messages until the queue is done. Return False if the connection must be given up."""
        try:
            if not self._booted and not await self._boot(connection):
                return False
            while not self._done:
                if not self._queue:
                    with trio.move_on_after(self._habits.heartbeat_s) as idle:
                        await self._wait_changed()
                    if idle.cancelled_caught and not await self._exchange(connection, "Heartbeat", {}):
                        return False
                elif not await self._deliver_first(connection):
                    return False
        except ConnectionClosed:
            return False
        return True

    async def _boot(self, connection: Connection) -> bool:
        boot = {"chargePointVendor": "csms", "chargePointModel": "retrying"}
        while not self._booted:
            answer = await self._exchange(connection, "BootNotification", boot)
            if answer is None:
                return False
            self._booted = answer[0] == 3
            if not self._booted:
                await trio.sleep(self._habits.retry_s)
        return True

    async def _deliver_first(self, connection: Connection) -> bool:
        message = self._queue[0]
        if message.action != "StartTransaction":
            message.payload["transactionId"] = self._ids[message.transaction]
        if message.content is None and message.action == "StopTransaction":
            message.content = msgspec.convert({"type": "stop", **message.payload}, Stop)
        if message.content is not None and not message.transmissions:
            self._journal.write(
                Sent(
                    charge_point=self.id,
                    transaction=message.transaction,
                    content=message.content,
                    at_ms=now_ms(),
                )
            )
        message.transmissions += 1
        if not (self._keeps_ids and message.id):
            message.id = self._next_id()
        sent_ms = now_ms()
        answer = await self._exchange(connection, message.action, message.payload, message.id)
        if answer is None:
            return False
        if answer[0] == 3:
            self._acknowledge(message, answer[2], sent_ms)
        else:
            await self._fail(message)
        return True

    async def _fail(self, message: _Queued) -> None:
        message.failures += 1
        if message.failures >= self._habits.attempts:
            self._give_up(message)
        else:
            await trio.sleep(self._habits.retry_s * message.failures)

    def _give_up(self, message: _Queued) -> None:
        """Drop the message. Without its start, a transaction has no id, and nothing of it can be sent."""
        self.dropped += 1
        self._queue.popleft()
        if message.action == "StartTransaction":
            self._given_up.add(message.transaction)
            while self._queue and self._queue[0].transaction == message.transaction:
                self._queue.popleft()
        self._change()

    def _acknowledge(self, message: _Queued, result: dict[str, Any], sent_ms: int) -> None:
        if message.action == "StartTransaction":
            self._ids[message.transaction] = result["transactionId"]
        if message.content is not None:
            self._journal.write(
                Acknowledged(
                    charge_point=self.id,
                    transaction=message.transaction,
                    content=message.content,
                    id=self._ids[message.transaction],
                    status=(result.get("idTagInfo") or {}).get("status", ""),
                    transmissions=message.transmissions,
                    sent_ms=sent_ms,
                    at_ms=now_ms(),
                )
            )
            if self._dice.random() < self._habits.doubts:
                return
        self._queue.popleft()
        self._change()

    async def _exchange(
        self, connection: Connection, action: str, payload: dict[str, Any], id_: str = ""
    ) -> list[Any] | None:
        """Return the answer, or None if none came in time. Raises ConnectionClosed."""
        self._awaited, self._answered = id_ or self._next_id(), trio.Event()
        sent = trio.current_time()
        await connection.send(msgspec.json.encode([2, self._awaited, action, payload]))
        with trio.move_on_after(self._habits.answer_s) as patience:
            await self._answered.wait()
        if patience.cancelled_caught:
            return None
        error = None if self._answer[0] == 3 else str(self._answer[2])
        if error is not None:
            self.errors[error] += 1
        self._on_answer(Answer(self.id, action, sent, trio.current_time(), error))
        return self._answer

    def _next_id(self) -> str:
        self._numbers += 1
        return f"{self.id}-{self._numbers}"


def _payload(start: Start) -> dict[str, Any]:
    built = msgspec.to_builtins(start)
    del built["type"]
    return dict(built)
