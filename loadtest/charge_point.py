"""One charge point's day: boot, status, authorise, start, meter values, stop; and an operator's wishes."""

import random
from collections import Counter
from datetime import UTC, datetime
from functools import partial

import trio

from gateway.ocpp16 import core
from gateway.ocpp16.protocol import IncomingCall
from gateway.ocpp16.types import IdTagInfo, Message, MeterValue, SampledValue
from gateway.websocket.connection import Connection
from loadtest.caller import Caller
from loadtest.latency import Latencies

VOLTS = 230.0
CONNECTOR = 1
HEARTBEAT_S = 30.0


class ChargePoint:
    """Charges from its boot until `leave`, unless an operator stops it; then it waits for a remote start."""

    def __init__(
        self,
        connection: Connection,
        latencies: Latencies,
        failures: Counter[str],
        *,
        id_tag: str,
        interval_s: float,
        dice: random.Random,
    ) -> None:
        self._caller = Caller(connection, latencies, self._serve)
        self._failures = failures
        self._id_tag: str | None = id_tag
        self._interval_s = interval_s
        self._dice = dice
        self._energy_wh = float(dice.randrange(1_000, 900_000))
        self._amperes = dice.choice((6.0, 10.0, 16.0, 32.0))
        self._stopping: core.Reason | None = None
        self._changed = trio.Event()

    async def run(self, *, booted: trio.Event, leave: trio.Event) -> None:
        """Live until `leave` is set, then stop charging. Raises CallFailed, ConnectionClosed."""
        async with trio.open_nursery() as nursery:
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
        await self._caller.call(
            core.BootNotification(
                charge_point_vendor="csms", charge_point_model="loadtest", firmware_version="1.0"
            )
        )
        for connector in (0, CONNECTOR):
            await self._status("Available", connector)

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
        if self._refused("Authorize", id_tag, authorised.id_tag_info):
            return
        await self._status("Preparing")
        started = await self._caller.call(
            core.StartTransaction(
                connector_id=CONNECTOR, id_tag=id_tag, meter_start=int(self._energy_wh), timestamp=_now()
            )
        )
        if self._refused("StartTransaction", id_tag, started.id_tag_info):
            self._stopping = "DeAuthorized"
        else:
            await self._status("Charging")
            await self._meter(started.transaction_id, leave)
        await self._caller.call(
            core.StopTransaction(
                transaction_id=started.transaction_id,
                id_tag=id_tag,
                meter_stop=int(self._energy_wh),
                timestamp=_now(),
                reason=self._reason(),
            )
        )
        await self._status("Finishing")
        await self._status("Available")

    def _refused(self, action: str, id_tag: str, info: IdTagInfo) -> bool:
        """Whether nobody may charge with the tag; a run that was to measure charging has then failed."""
        if info.status != "Accepted":
            self._failures[f"{action}: the id tag {id_tag} is {info.status}"] += 1
        return info.status != "Accepted"

    async def _meter(self, transaction_id: int, leave: trio.Event) -> None:
        # The fleet's messages are spread over the interval, as chance spreads them.
        due = trio.current_time() + self._interval_s * self._dice.random()
        while self._stopping is None and not leave.is_set():
            self._changed = trio.Event()
            with trio.move_on_at(due):
                await self._changed.wait()
                return
            self._energy_wh += 3 * VOLTS * self._amperes * self._interval_s / 3600
            await self._caller.call(
                core.MeterValues(
                    connector_id=CONNECTOR, transaction_id=transaction_id, meter_value=(self._sample(),)
                ),
                due=due,
            )
            due += self._interval_s

    def _sample(self) -> MeterValue:
        """Energy, power, current of three phases, and a temperature: about 700 bytes, as many real ones."""
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
            timestamp=_now(),
            sampled_value=(
                value(value=f"{self._energy_wh:.1f}", measurand="Energy.Active.Import.Register", unit="Wh"),
                value(value=f"{watts:.1f}", measurand="Power.Active.Import", unit="W"),
                *currents,
                value(value=f"{25 + self._dice.random() * 5:.1f}", measurand="Temperature", unit="Celsius"),
            ),
        )

    def _reason(self) -> core.Reason:
        return self._stopping or "Local"

    async def _status(self, status: core.ChargePointStatus, connector: int = CONNECTOR) -> None:
        await self._caller.call(
            core.StatusNotification(
                connector_id=connector, error_code="NoError", status=status, timestamp=_now()
            )
        )

    async def _serve(self, call: IncomingCall) -> Message:  # noqa: PLR0911  one for each action
        match call.request:
            case core.RemoteStartTransaction(id_tag=id_tag):
                if self._id_tag is not None:
                    return core.RemoteStartTransactionResult(status="Rejected")
                self._id_tag = id_tag
                self._changed.set()
                return core.RemoteStartTransactionResult(status="Accepted")
            case core.RemoteStopTransaction():
                return self._stop("Remote", core.RemoteStopTransactionResult)
            case core.UnlockConnector():
                self._stop("UnlockCommand", core.RemoteStopTransactionResult)
                return core.UnlockConnectorResult(status="Unlocked")
            case core.Reset():
                self._stop("SoftReset", core.RemoteStopTransactionResult)
                return core.ResetResult(status="Accepted")
            case core.ChangeAvailability():
                return core.ChangeAvailabilityResult(status="Accepted")
            case core.ChangeConfiguration():
                return core.ChangeConfigurationResult(status="NotSupported")
            case core.ClearCache():
                return core.ClearCacheResult(status="Rejected")
            case core.GetConfiguration(key=key):
                return core.GetConfigurationResult(configuration_key=(), unknown_key=key)
            case _:
                return core.DataTransferResult(status="UnknownVendorId")

    def _stop(
        self, reason: core.Reason, result: type[core.RemoteStopTransactionResult]
    ) -> core.RemoteStopTransactionResult:
        if self._id_tag is None:
            return result(status="Rejected")
        self._stopping = reason
        self._changed.set()
        return result(status="Accepted")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
