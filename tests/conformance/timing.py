"""Measures response times for one charge point as a laboratory does, from the CALL to its CALLRESULT.

The client is the load test's charge point over wss, because it adds less time of its own than other clients.
Each call follows the answer to the previous call, and nothing else runs. Nothing is warmed up, and no call is
left out.
"""

import ssl
from statistics import fmean
from typing import NamedTuple

import trio

from gateway.ocpp16.messages import core
from gateway.ocpp16.messages.types import Message, MeterValue, SampledValue
from gateway.ocpp16.received import IncomingCall
from gateway.websocket.client import connect
from tests.conformance.caller import Caller, CallFailed
from tests.conformance.charge_point import now
from tests.conformance.laboratory import VALID
from tests.support.csms_up import Running

ROUNDS = 50
AUTHORIZES = 200
LIMIT_S = 0.0029  # The limit is the figure in the certificate with which csms is compared.


class Timing(NamedTuple):
    """Response times in seconds."""

    name: str
    calls: int
    minimum: float
    maximum: float
    average: float

    @property
    def fast_enough(self) -> bool:
        return self.average <= LIMIT_S


async def measure(running: Running) -> tuple[Timing, Timing]:
    """Run fifty transactions of ten calls each, then 200 Authorize. Raises CallFailed."""
    tls = ssl.create_default_context(cafile=running.ca_file)
    seconds: list[float] = []
    async with (
        connect(running.url("octt-timing"), ssl_context=tls) as connection,
        trio.open_nursery() as nursery,
    ):
        caller = Caller(connection, seconds.append, _refuse)
        nursery.start_soon(caller.run)
        await caller.call(core.BootNotification(charge_point_vendor="OCTT", charge_point_model="Timing"))
        seconds.clear()
        for round_ in range(ROUNDS):
            await _session(caller, round_)
        mixed = _take("OCPP response time", seconds)
        for _ in range(AUTHORIZES):
            await caller.call(core.Authorize(id_tag=VALID))
        alone = _take("Authorize", seconds)
        nursery.cancel_scope.cancel()
    return mixed, alone


async def _session(caller: Caller, round_: int) -> None:
    await caller.call(core.Heartbeat())
    await caller.call(_status("Preparing"))
    await caller.call(core.Authorize(id_tag=VALID))
    start = core.StartTransaction(connector_id=1, id_tag=VALID, meter_start=1000 * round_, timestamp=now())
    started: core.StartTransactionResult = await caller.call(start)
    await caller.call(_status("Charging"))
    for sample in range(3):
        energy = SampledValue(value=str(1000 * round_ + 100 * sample), unit="Wh")
        power = SampledValue(value="11000", measurand="Power.Active.Import", unit="W")
        value = MeterValue(timestamp=now(), sampled_value=(energy, power))
        transaction = started.transaction_id
        await caller.call(core.MeterValues(connector_id=1, transaction_id=transaction, meter_value=(value,)))
    await caller.call(
        core.StopTransaction(
            transaction_id=started.transaction_id, meter_stop=1000 * round_ + 900, timestamp=now()
        )
    )
    await caller.call(_status("Available"))


def _status(status: core.ChargePointStatus) -> core.StatusNotification:
    return core.StatusNotification(connector_id=1, error_code="NoError", status=status)


def _take(name: str, seconds: list[float]) -> Timing:
    found = seconds.copy()
    seconds.clear()
    return Timing(name, len(found), min(found), max(found), fmean(found))


def _refuse(call: IncomingCall) -> Message:
    raise CallFailed(f"{call.action} came, although no operator had requested it")
