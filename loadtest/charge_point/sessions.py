"""The transactions of a charge point, one after the other, at connector 1."""

from typing import Final, Literal, Protocol

import trio
from msgspec import Struct
from msgspec.json import Decoder, encode

from gateway.ocpp16.frames import DECODE_ERRORS
from gateway.ocpp16.messages.core import ChargePointStatus, Reason
from loadtest.charge_point.calls import Calls, Failure, Outcome, Then
from loadtest.charge_point.equipment import CONNECTOR
from loadtest.charge_point.meter import Meter
from loadtest.charge_point.queue import Message, Queue, Transaction
from loadtest.charge_point.wheel import Entry
from loadtest.charge_point.world import World
from loadtest.history import Start, Stop
from loadtest.now import now_text
from loadtest.scenario.dice import Dice
from loadtest.scenario.model import Charging, Group

type _State = Literal["idle", "authorizing", "preparing", "charging", "finishing"]


class _TagInfo(Struct, gc=False, frozen=True):
    status: str = ""


class _Authorized(Struct, gc=False, rename="camel"):
    id_tag_info: _TagInfo = _TagInfo()


_read_authorized: Final = Decoder(_Authorized).decode
_USUAL: Final = Charging()
_STATUSES: Final[dict[_State, ChargePointStatus]] = {
    "preparing": "Preparing",
    "charging": "Charging",
    "finishing": "Finishing",
}


class Host(Protocol):
    """What the sessions need of their charge point."""

    @property
    def index(self) -> int: ...

    @property
    def id(self) -> str: ...

    @property
    def group(self) -> Group: ...

    @property
    def online(self) -> bool:
        """Whether the central system has accepted the charge point on the present connection."""

    def report_status(self, then: Then | None = None) -> None:
        """Send the status of connector 1, as soon as the charge point is online."""

    def use_reservation(self, id_tag: str) -> int | None: ...

    def end_transaction(self) -> None:
        """Drop what ends with a transaction."""


class Sessions:
    """A transaction begins by the schedule or by a RemoteStartTransaction, and not while another one runs.

    An offline charge point trusts every id tag. Without a schedule, `Sessions` itself times meter values and
    the end of a transaction, by dice of the transaction's number.
    """

    __slots__ = (
        "_calls",
        "_charging",
        "_host",
        "_id_tag",
        "_meter",
        "_number",
        "_queue",
        "_scheduled",
        "_state",
        "_stop",
        "_transaction",
        "_values",
        "_world",
    )

    def __init__(self, world: World, host: Host, calls: Calls) -> None:
        self._world = world
        self._host = host
        self._calls = calls
        self._queue = Queue(world, host.id, calls, host.group.retries, self._take_answer)
        self._charging = host.group.charging or _USUAL
        self._meter = Meter(self._charging.outlet, Dice(world.scenario.seed, host.index, "meter"))
        self._number = 0
        self._state: _State = "idle"
        self._scheduled = False
        self._id_tag = ""
        self._transaction: Transaction | None = None
        self._values: Entry | None = None
        self._stop: Entry | None = None

    @property
    def queue(self) -> Queue:
        return self._queue

    @property
    def status(self) -> ChargePointStatus | None:
        """The status of the connector, or None if it depends on what operators did."""
        return _STATUSES.get(self._state)

    @property
    def busy(self) -> bool:
        return self._state in {"authorizing", "preparing", "charging"}

    @property
    def transaction_id(self) -> int | None:
        return None if self._transaction is None else self._transaction.id

    def begin(self, id_tag: str, intended: float, *, scheduled: bool) -> bool:
        """Begin to charge. Returns False if the charge point charges already."""
        if self.busy:
            return False
        self._id_tag, self._scheduled, self._state = id_tag, scheduled, "authorizing"
        if self._host.online:
            self._calls.send("Authorize", b'{"idTag":%b}' % encode(id_tag), intended, self._take_authorized)
        else:
            self._take_authorized(Failure.CUT)
        return True

    def _take_authorized(self, outcome: Outcome) -> None:
        if self._state != "authorizing":
            return
        if outcome is not Failure.CUT:
            if isinstance(outcome, Failure):
                self._state = "idle"
                return
            try:
                status = _read_authorized(outcome).id_tag_info.status
            except DECODE_ERRORS:
                status = ""
            if status != "Accepted":
                self._state = "idle"
                self._world.recorder.error(f"Authorize: the id tag is {_name(status)}")
                return
        self._state = "preparing"
        self._host.report_status(self._start)

    def _start(self, _reported: Outcome) -> None:
        if self._state != "preparing":
            return
        at = trio.current_time()
        self._meter.begin(at)
        self._number += 1
        start = Start(
            connector_id=CONNECTOR,
            id_tag=self._id_tag,
            meter_start=self._meter.energy_wh(at),
            timestamp=now_text(),
        )
        reservation = self._host.use_reservation(self._id_tag)
        payload = b'{"connectorId":%d,"idTag":%b,"meterStart":%d,"timestamp":"%b"%b}' % (
            CONNECTOR,
            encode(self._id_tag),
            start.meter_start,
            start.timestamp.encode(),
            b"" if reservation is None else b',"reservationId":%d' % reservation,
        )
        self._transaction = Transaction(self._number)
        self._state = "charging"
        if not self._queue.add(Message("StartTransaction", self._transaction, payload, start, at)):
            self._forget()
            return
        if not self._host.online:
            self._host.report_status()
        if not self._scheduled:
            self._time_remote(at)

    def _time_remote(self, at: float) -> None:
        """Time meter values and the end of a transaction that is not of the schedule."""
        dice = Dice(self._world.scenario.seed, self._host.index, f"remote {self._number}")
        charge_s = dice.uniform(*self._charging.charge_s)
        self._stop = self._world.wheel.at(at + charge_s, lambda: self.end("Local", at + charge_s))
        self._wait_for_values(at)

    def _wait_for_values(self, last: float) -> None:
        due = last + self._charging.values_s
        self._values = self._world.wheel.at(due, lambda: self._take_values(due))

    def _take_values(self, due: float) -> None:
        self._wait_for_values(due)
        self._sample(due)

    def sample_by_schedule(self, intended: float) -> None:
        """Send meter values, if a transaction of the schedule runs."""
        if self._scheduled:
            self._sample(intended)

    def end_by_schedule(self, intended: float) -> None:
        """Stop charging, if a transaction of the schedule runs."""
        if self._scheduled:
            self.end("Local", intended)

    def _sample(self, intended: float) -> None:
        if self._transaction is None:
            return
        timestamp = now_text()
        payload = b'{"connectorId":%d,%b}' % (CONNECTOR, self.read_meter(timestamp))
        self._queue.add(Message("MeterValues", self._transaction, payload, timestamp, intended))

    def read_meter(
        self, timestamp: str, context: Literal["Sample.Periodic", "Trigger"] = "Sample.Periodic"
    ) -> bytes:
        """Return the member meterValue of a message."""
        sample = self._meter.sample(trio.current_time(), context)
        return b'"meterValue":[{"timestamp":"%b","sampledValue":%b}]' % (timestamp.encode(), sample)

    def end(self, reason: Reason, intended: float) -> bool:
        """Stop charging. Returns False if the charge point does not charge."""
        if not self.busy:
            return False
        self._scheduled = False
        transaction = self._transaction
        if transaction is None:  # The driver goes before the transaction has begun.
            was_preparing, self._state = self._state == "preparing", "idle"
            if was_preparing:
                self._host.report_status()
            return True
        at = trio.current_time()
        stop = Stop(transaction_id=0, meter_stop=self._meter.energy_wh(at), timestamp=now_text())
        payload = b'{"idTag":%b,"meterStop":%d,"timestamp":"%b","reason":"%b"}' % (
            encode(self._id_tag),
            stop.meter_stop,
            stop.timestamp.encode(),
            reason.encode(),
        )
        self._forget()
        online = self._host.online
        if self._queue.add(Message("StopTransaction", transaction, payload, stop, intended)) and online:
            self._state = "finishing"
        else:
            self._host.report_status()
        return True

    def _forget(self) -> None:
        """End the transaction at the charge point. Its messages may still wait in the queue."""
        for entry in (self._values, self._stop):
            if entry is not None:
                self._world.wheel.cancel(entry)
        self._values = self._stop = self._transaction = None
        self._state = "idle"
        self._meter.end(trio.current_time())
        self._host.end_transaction()

    def _take_answer(self, message: Message, status: str) -> None:
        if message.action == "StopTransaction":
            if self._state == "finishing":
                self._host.report_status(self._finish)
        elif message.transaction is self._transaction:
            if status == "Accepted":
                self._host.report_status()
            else:
                self._world.recorder.error(f"StartTransaction: the id tag is {_name(status)}")
                self.end("DeAuthorized", trio.current_time())

    def _finish(self, _reported: Outcome) -> None:
        if self._state == "finishing":
            self._state = "idle"
            self._host.report_status()


_KNOWN: Final = frozenset(("Blocked", "Expired", "Invalid", "ConcurrentTx"))


def _name(status: str) -> str:
    """Return a status that counts as an error. Any other text is not shown, because texts would pile up."""
    return status if status in _KNOWN else "not accepted"
