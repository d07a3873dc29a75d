"""The messages about transactions: kept while the charge point is offline, and repeated by the rules of OCPP.

They are delivered in their order, one at a time. A message that the central system refuses with a CALLERROR,
or does not answer, is sent again with the same content: after the interval times the number of its failures,
until the attempts are used up (TransactionMessageAttempts, TransactionMessageRetryInterval). A message whose
connection ended is sent again over the next one, and that is not a failure.
"""

from collections.abc import Callable
from typing import Final, Literal

import trio
from msgspec import Struct
from msgspec.json import Decoder

from gateway.ocpp16.frames import DECODE_ERRORS
from gateway.ocpp16.messages.types import Integer
from loadtest.charge_point.calls import Calls, Failure, Outcome
from loadtest.charge_point.wheel import Entry
from loadtest.charge_point.world import World
from loadtest.history import Acknowledged, Content, Sent, Stop
from loadtest.now import now_ms
from loadtest.scenario.model import Retries

type Action = Literal["StartTransaction", "MeterValues", "StopTransaction"]


class _Tag(Struct, gc=False):
    status: str = ""


class _Answer(Struct, gc=False, rename="camel"):
    transaction_id: Integer | None = None
    id_tag_info: _Tag | None = None


_read: Final = Decoder(_Answer).decode
_NOTHING: Final = _Answer()


class Transaction:
    """A transaction of the charge point. `number` is its own, and `id` is the central system's."""

    __slots__ = ("given_up", "id", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.id: int | None = None
        self.given_up = False
        """Whether its start was given up. Without an id, nothing of the transaction can be sent."""


class Message:
    """A message that waits for its acknowledgement.

    `payload` is JSON, without the transactionId. `content` is the fact that it states, with a transactionId
    of 0 until it is known, or the timestamp of a meter value.
    """

    __slots__ = (
        "action",
        "content",
        "failures",
        "intended",
        "payload",
        "transaction",
        "transmissions",
        "written",
    )

    def __init__(
        self,
        action: Action,
        transaction: Transaction,
        payload: bytes,
        content: Content | str,
        intended: float,
    ) -> None:
        self.action: Action = action
        self.transaction = transaction
        self.payload = payload
        self.content = content
        self.intended = intended
        self.written = trio.current_time()
        self.transmissions = 0
        self.failures = 0


class Queue:
    """The messages of one charge point.

    `on_answer` gets each start and stop that was answered, with the status of its id tag, which may be empty.
    It also gets each stop that was given up, without a status.
    """

    __slots__ = (
        "_calls",
        "_charge_point",
        "_messages",
        "_on_answer",
        "_online_since",
        "_retries",
        "_retry",
        "_sending",
        "_sent_ms",
        "_world",
    )

    def __init__(
        self,
        world: World,
        charge_point: str,
        calls: Calls,
        retries: Retries,
        on_answer: Callable[[Message, str], None],
    ) -> None:
        self._world = world
        self._charge_point = charge_point
        self._calls = calls
        self._retries = retries
        self._on_answer = on_answer
        self._messages: list[Message] = []
        self._sending = False
        self._retry: Entry | None = None
        self._online_since: float | None = None
        self._sent_ms = 0

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, message: Message) -> bool:
        """Add a message, and send it if it is the first one. Returns False if there is no room for it.

        A full queue loses meter values first, because a transaction is worth more without them than not at
        all.
        """
        if message.transaction.given_up:
            return False
        if len(self._messages) >= self._retries.queue and not self._make_room(message):
            self._world.recorder.count("queue_full")
            self._give_up_transaction(message)
            return False
        self._messages.append(message)
        self.send_first()
        return True

    def _make_room(self, message: Message) -> bool:
        if message.action == "MeterValues":
            return False
        for at in range(1 if self._sending else 0, len(self._messages)):
            if self._messages[at].action == "MeterValues":
                del self._messages[at]
                self._world.recorder.count("queue_full")
                return True
        return False

    def go_online(self) -> None:
        """Deliver from now on, because the central system has accepted the charge point."""
        self._online_since = trio.current_time()
        self.send_first()

    def go_offline(self) -> None:
        self._online_since = None
        if self._retry is not None:
            self._world.wheel.cancel(self._retry)
            self._retry = None

    def send_first(self) -> None:
        """Send the first message, if it need not wait for anything."""
        if self._online_since is None or self._sending or self._retry is not None or not self._messages:
            return
        message = self._messages[0]
        transaction = message.transaction
        payload = message.payload
        if message.action != "StartTransaction":
            payload = b'{"transactionId":%d,%b' % (transaction.id or 0, payload[1:])
        if isinstance(message.content, Stop) and not message.transmissions:
            stop = message.content
            message.content = Stop(
                transaction_id=transaction.id or 0, meter_stop=stop.meter_stop, timestamp=stop.timestamp
            )
        if not message.transmissions and not isinstance(message.content, str):
            self._write(
                Sent(
                    charge_point=self._charge_point,
                    transaction=transaction.number,
                    content=message.content,
                    at_ms=now_ms(),
                )
            )
        message.transmissions += 1
        self._sending = True
        self._sent_ms = now_ms()
        lay = message.written < self._online_since or message.failures > 0
        intended = trio.current_time() if lay else message.intended
        self._calls.send(
            message.action, payload, intended, self._take, written=message.written if lay else None
        )

    def _take(self, outcome: Outcome) -> None:
        self._sending = False
        if outcome is Failure.CUT:
            return  # The charge point sends the message again when it has a connection.
        message = self._messages[0]
        answer = None if isinstance(outcome, Failure) else self._acknowledge(message, outcome)
        if answer is None:
            self._fail(message)
            return
        del self._messages[0]
        if message.action != "MeterValues":
            self._on_answer(message, answer.id_tag_info.status if answer.id_tag_info else "")
        self.send_first()

    def _acknowledge(self, message: Message, payload: bytes) -> _Answer | None:
        """Return the answer, or None if a start has no transactionId. Of all else the result alone counts."""
        transaction, content = message.transaction, message.content
        if isinstance(content, str):
            self._world.checks.value_sent(self._charge_point, transaction.id or 0, content)
            return _NOTHING
        try:
            answer = _read(payload)
        except DECODE_ERRORS:
            answer = _NOTHING
        if message.action == "StartTransaction":
            if answer.transaction_id is None:
                return None
            transaction.id = answer.transaction_id
        self._write(
            Acknowledged(
                charge_point=self._charge_point,
                transaction=transaction.number,
                content=content,
                id=transaction.id or 0,
                status=answer.id_tag_info.status if answer.id_tag_info else "",
                transmissions=message.transmissions,
                sent_ms=self._sent_ms,
                at_ms=now_ms(),
            )
        )
        return answer

    def _write(self, line: Sent | Acknowledged) -> None:
        if self._world.journal is not None:
            self._world.journal.write(line)

    def _fail(self, message: Message) -> None:
        message.failures += 1
        if message.failures < self._retries.attempts:
            wait_s = self._retries.interval_s * message.failures
            self._retry = self._world.wheel.at(trio.current_time() + wait_s, self._try_again)
            return
        self._world.recorder.count("given_up")
        del self._messages[0]
        self._give_up_transaction(message)
        if message.action == "StopTransaction":
            self._on_answer(message, "")
        self.send_first()

    def _try_again(self) -> None:
        self._retry = None
        self.send_first()

    def _give_up_transaction(self, message: Message) -> None:
        """Drop everything of a transaction whose start will not be sent."""
        if message.action == "StartTransaction":
            message.transaction.given_up = True
            dropped = [one for one in self._messages if one.transaction.given_up]
            self._messages = [one for one in self._messages if not one.transaction.given_up]
            for stop in (one for one in dropped if one.action == "StopTransaction"):
                self._on_answer(stop, "")
