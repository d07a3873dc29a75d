"""A simulated charge point.

The charge point boots, charges, sends meter values and stops, and carries out the commands of an operator.
"""

import random
from collections import Counter
from functools import partial

import trio

from gateway.ocpp16.messages import core
from gateway.ocpp16.messages.types import IdTagInfo, Message, MeterValue, SampledValue
from gateway.ocpp16.protocol import IncomingCall
from gateway.websocket.connection import Connection
from loadtest.caller import Caller
from loadtest.equipment import CONNECTOR, VOLTS
from loadtest.latency import Latencies
from loadtest.now import now_text
from loadtest.responses import BOOT, Responses

HEARTBEAT_S = 30.0


class SimulatedChargePoint:
    """A charge point that charges from its boot until `leave` is set.

    If an operator stops the transaction, the charge point waits for a remote start.
    """

    def __init__(
        self,
        id_: str,
        connection: Connection,
        latencies: Latencies,
        failures: Counter[str],
        *,
        id_tag: str,
        interval_s: float,
        dice: random.Random,
    ) -> None:
        self._caller = Caller(connection, latencies, self._serve, self._follow_up)
        self._responses = Responses(self)
        self._sending = False
        self._nursery: trio.Nursery | None = None
        self.id = id_
        self.transaction_id: int | None = None
        self._failures = failures
        self._id_tag: str | None = id_tag
        self._interval_s = interval_s
        self._dice = dice
        self._energy_wh = float(dice.randrange(1_000, 900_000))
        self._amperes = dice.choice((6.0, 10.0, 16.0, 32.0))
        self._stopping: core.Reason | None = None
        self._status: core.ChargePointStatus | None = None
        """Status of the connector during a transaction.

        None means that no transaction is running. The status then depends on what operators did.
        """
        self._changed = trio.Event()

    async def run(self, *, booted: trio.Event, leave: trio.Event) -> None:
        """Run until `leave` is set, then stop charging. Raises CallFailed or ConnectionClosed."""
        async with trio.open_nursery() as self._nursery:
            nursery = self._nursery
            nursery.start_soon(self._caller.run)
            await self._boot()
            booted.set()
            nursery.start_soon(self._wake_when, leave)
            while not leave.is_set():
                if self._id_tag is None:
                    await self._idle(leave)
                else:
                    await self._charge(self._id_tag, leave)
                    self._id_tag = None
            nursery.cancel_scope.cancel()

    async def _wake_when(self, leave: trio.Event) -> None:
        await leave.wait()
        self._changed.set()

    async def _boot(self) -> None:
        await self._caller.call(BOOT)
        for connector in (0, CONNECTOR):
            await self._caller.call(self.status(connector))

    async def _idle(self, leave: trio.Event) -> None:
        while self._id_tag is None and not leave.is_set():
            self._changed = trio.Event()
            with trio.move_on_after(HEARTBEAT_S):
                await self._changed.wait()
                return
            await self._caller.call(core.Heartbeat())

    async def _charge(self, id_tag: str, leave: trio.Event) -> None:
        self._stopping = None
        authorised = await self._caller.call(core.Authorize(id_tag=id_tag))
        if self._count_refusal("Authorize", id_tag, authorised.id_tag_info):
            return
        await self._become("Preparing")
        started = await self._caller.call(
            core.StartTransaction(
                connector_id=CONNECTOR,
                id_tag=id_tag,
                meter_start=int(self._energy_wh),
                timestamp=now_text(),
                reservation_id=self._responses.use_reservation(id_tag),
            )
        )
        self.transaction_id = started.transaction_id
        if self._count_refusal("StartTransaction", id_tag, started.id_tag_info):
            self._stopping = "DeAuthorized"
        else:
            await self._become("Charging")
            await self._meter(leave)
        await self._caller.call(
            core.StopTransaction(
                transaction_id=started.transaction_id,
                id_tag=id_tag,
                meter_stop=int(self._energy_wh),
                timestamp=now_text(),
                reason=self._stopping or "Local",
            )
        )
        self.transaction_id = None
        self._responses.profiles.end_transaction()
        await self._become("Finishing")
        await self._become(None)

    def _count_refusal(self, action: str, id_tag: str, info: IdTagInfo) -> bool:
        """Return whether the tag was refused, and count a refusal as a failure of the run."""
        if info.status != "Accepted":
            self._failures[f"{action}: the id tag {id_tag} is {info.status}"] += 1
        return info.status != "Accepted"

    async def _meter(self, leave: trio.Event) -> None:
        # A random first delay spreads the messages of the fleet over the interval.
        due = trio.current_time() + self._interval_s * self._dice.random()
        while self._stopping is None and not leave.is_set():
            self._changed = trio.Event()
            with trio.move_on_at(due):
                await self._changed.wait()
                return
            self._energy_wh += 3 * VOLTS * self._amperes * self._interval_s / 3600
            await self._caller.call(self.reading(), due=due)
            due += self._interval_s

    def _sample(self) -> MeterValue:
        """Return energy, power, the current of three phases and a temperature.

        As JSON these values take about 700 bytes, like the meter values of many real charge points.
        """
        value = partial(SampledValue, context="Sample.Periodic", format="Raw", location="Outlet")
        watts = 3 * VOLTS * self._amperes
        currents = (
            value(
                value=f"{self._amperes + self._dice.random() / 10:.2f}",
                measurand="Current.Import",
                unit="A",
                phase=phase,
            )
            for phase in ("L1", "L2", "L3")
        )
        return MeterValue(
            timestamp=now_text(),
            sampled_value=(
                value(value=f"{self._energy_wh:.1f}", measurand="Energy.Active.Import.Register", unit="Wh"),
                value(value=f"{watts:.1f}", measurand="Power.Active.Import", unit="W"),
                *currents,
                value(value=f"{25 + self._dice.random() * 5:.1f}", measurand="Temperature", unit="Celsius"),
            ),
        )

    async def _become(self, status: core.ChargePointStatus | None) -> None:
        self._status = status
        await self._caller.call(self.status(CONNECTOR))

    # --- An operator's requests, called by responses.py ----------------------------------------------

    def start(self, id_tag: str) -> bool:
        if self._id_tag is not None:
            return False
        self._id_tag = id_tag
        self._changed.set()
        return True

    def stop(self, reason: core.Reason) -> bool:
        if self._id_tag is None:
            return False
        self._stopping = reason
        self._changed.set()
        return True

    def reading(self) -> core.MeterValues:
        return core.MeterValues(
            connector_id=CONNECTOR, transaction_id=self.transaction_id, meter_value=(self._sample(),)
        )

    def status(self, connector: int) -> core.StatusNotification:
        idle = self._responses.idle_status
        status = (
            (self._status or idle) if connector else ("Unavailable" if idle == "Unavailable" else "Available")
        )
        return core.StatusNotification(
            connector_id=connector, error_code="NoError", status=status, timestamp=now_text()
        )

    def _serve(self, call: IncomingCall) -> Message:
        return self._responses.answer(call.request)

    def _follow_up(self) -> None:
        if self._responses.later and not self._sending and self._nursery is not None:
            self._sending = True
            self._nursery.start_soon(self._send_later)

    async def _send_later(self) -> None:
        while self._responses.later:
            await self._caller.call(self._responses.later.pop(0))
        self._sending = False
