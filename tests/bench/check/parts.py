"""The parts of the hot path whose instructions are counted, and the loop that they are compared with."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Final, NamedTuple

import trio

from gateway.ocpp16.messages import core
from gateway.ocpp16.messages.types import IdTagInfo, Message
from gateway.ocpp16.protocol import Protocol, Role
from gateway.ocpp16.received import IncomingCall
from gateway.websocket.limits import Limits
from gateway.websocket.outgoing_frames import build_text_frame, mask
from gateway.websocket.text_frames import TextFrames
from tests.bench.check.calibration import calibrate
from tests.bench.check.fake_io import Reply
from tests.bench.check.sessions import KEYS, TRANSACTION, open_connection, open_fixed_store, open_session
from tests.bench.ocpp16 import meter_values
from tests.support.websocket_frames import frame

type Play = Callable[[], Awaitable[object]]
type Prepare = Callable[[int], Play]
"""Makes what a part needs for a number of rounds. Only the Play that it returns is counted."""

_NOW: Final = datetime.now(UTC)
_TASKS: Final = 50


class Part(NamedTuple):
    what: str
    open: Callable[[], AbstractAsyncContextManager[Prepare]]
    rounds: int = 100


def _text(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%S}.000Z"


_AT: Final = _text(_NOW)
_TAG: Final = b'{"tag":"04A1B2C3D4E5F6","status":"Accepted","expiry_date":"2099-01-01T00:00:00Z"}'
_STARTED_MS: Final = int((_NOW - timedelta(hours=1)).timestamp() * 1000)
_VALUES: Final = meter_values().replace(b"2026-01-31T12:00:00.000Z", _AT.encode())
_PAYLOADS: Final = {
    "Heartbeat": b"{}",
    "StatusNotification": b'{"connectorId":1,"errorCode":"NoError","status":"Charging","timestamp":"%b"}'
    % _AT.encode(),
    "MeterValues": _VALUES,
    "StartTransaction": b'{"connectorId":1,"idTag":"04A1B2C3D4E5F6","meterStart":1000,"timestamp":"%b"}'
    % _AT.encode(),
    "StopTransaction": b'{"transactionId":%d,"idTag":"04A1B2C3D4E5F6","meterStop":9000,"timestamp":"%b",'
    b'"reason":"EVDisconnected"}' % (TRANSACTION, _AT.encode()),
}
_REPLIES: Final[dict[str, dict[str, Reply]]] = {
    "Heartbeat": {},
    "StatusNotification": {"charge_points/connector_status": (b"ok", b"")},
    "MeterValues": {
        "transactions/meter_values_append_checked": (b"kept", b"ok", b"100"),
        "transactions/meter_values_append": b"kept",
    },
    "StartTransaction": {
        "transactions/find_start": (b"", b"", ()),
        "transactions/start": (b"started", b"ok", b"0", b"", b"0"),
        "GET": _TAG,
    },
    "StopTransaction": {
        "transactions/stop": (
            *(b"stopped", b"ok", b"1", b"04A1B2C3D4E5F6", b"0123456789abcdef"),
            *(b'{"status":"Accepted"}', b"1000", b"%d" % _STARTED_MS, b"1"),
        ),
        "GET": _TAG,
        "ZREM": 1,
    },
}


def _call(action: str, payload: bytes, number: int) -> bytes:
    return b'[2,"0f5bd0a6-7b3e-4b6e-9f0a-%012x","%b",%b]' % (number, action.encode(), payload)


@asynccontextmanager
async def _session(action: str) -> AsyncIterator[Prepare]:
    numbers = count()
    async with open_session(_REPLIES[action]) as session:

        def prepare(rounds: int) -> Play:
            frames = [frame(0x81, _call(action, _PAYLOADS[action], next(numbers))) for _ in range(rounds)]
            return partial(session.exchange, frames)

        yield prepare
        session.check()


@asynccontextmanager
async def _protocol(action: str, payload: bytes, result: Message) -> AsyncIterator[Prepare]:
    protocol, numbers = Protocol(Role.CENTRAL_SYSTEM), count()

    def prepare(rounds: int) -> Play:
        frames = [_call(action, payload, next(numbers)) for _ in range(rounds)]

        async def play() -> None:
            for one in frames:
                call = protocol.receive(one)
                if not isinstance(call, IncomingCall):
                    raise TypeError(f"the call was not read: {call}")
                protocol.answer(call, result)

        return play

    yield prepare


@asynccontextmanager
async def _frames() -> AsyncIterator[Prepare]:
    """Cut and unmask the frames of a client, and make and mask those of a client."""
    incoming, text = TextFrames(Limits(), masked=True), _call("MeterValues", _VALUES, 0)

    def prepare(rounds: int) -> Play:
        frames = [frame(0x81, text) for _ in range(rounds)]

        async def play() -> None:
            for one in frames:
                incoming.feed(one, 0.0)
                while isinstance(cut := incoming.cut(), bytes):
                    mask(build_text_frame(cut))

        return play

    yield prepare


@asynccontextmanager
async def _upgrade() -> AsyncIterator[Prepare]:
    """Open and drop connections, without the admission of the charge point."""

    async def play(rounds: int) -> None:
        for _ in range(rounds):
            async with open_connection():
                pass

    yield lambda rounds: partial(play, rounds)


@asynccontextmanager
async def _store() -> AsyncIterator[Prepare]:
    """Send and deliver the commands of many tasks together."""
    async with open_fixed_store({"GET": _TAG}) as store:

        async def work(rounds: int) -> None:
            for _ in range(rounds):
                await store.execute("GET", KEYS.lease)

        async def play(rounds: int) -> None:
            async with trio.open_nursery() as nursery:
                for _ in range(_TASKS):
                    nursery.start_soon(work, rounds // _TASKS)

        yield lambda rounds: partial(play, rounds)


@asynccontextmanager
async def _calibration() -> AsyncIterator[Prepare]:
    async def play(rounds: int) -> None:
        calibrate(rounds)

    yield lambda rounds: partial(play, rounds)


_OF_PROTOCOL: Final[Mapping[str, tuple[str, str, bytes, Message]]] = {
    "heartbeat": ("Heartbeat", "Heartbeat", b"{}", core.HeartbeatResult(current_time=_AT)),
    "status": (
        "StatusNotification",
        "StatusNotification",
        _PAYLOADS["StatusNotification"],
        core.StatusNotificationResult(),
    ),
    "meter-values": ("MeterValues", "MeterValues", _VALUES, core.MeterValuesResult()),
    "bad-meter-values": (
        "MeterValues with a bad sample",
        "MeterValues",
        _VALUES.replace(b'"Percent"', b'"per cent"'),
        core.MeterValuesResult(),
    ),
    "start": (
        "StartTransaction",
        "StartTransaction",
        _PAYLOADS["StartTransaction"],
        core.StartTransactionResult(id_tag_info=IdTagInfo(status="Accepted"), transaction_id=TRANSACTION),
    ),
}
CALIBRATION: Final = Part("calibration loop", _calibration, 1_000)
PARTS: Final[Mapping[str, Part]] = {
    "heartbeat": Part("Heartbeat, from the socket to the answer", partial(_session, "Heartbeat"), 500),
    "status": Part("StatusNotification, with its step", partial(_session, "StatusNotification")),
    "meter-values": Part("MeterValues, with its step", partial(_session, "MeterValues")),
    "start": Part("StartTransaction, with its steps", partial(_session, "StartTransaction")),
    "stop": Part("StopTransaction, with its steps", partial(_session, "StopTransaction")),
    **{
        f"protocol-{name}": Part(f"{what}, the OCPP code alone", partial(_protocol, action, payload, result))
        for name, (what, action, payload, result) in _OF_PROTOCOL.items()
    },
    "frames": Part("a MeterValues frame, cut and unmasked, made and masked", _frames),
    "upgrade": Part("the upgrade of a connection, and its end", _upgrade, 20),
    "store": Part(f"a command of the store, {_TASKS} tasks", _store, 10 * _TASKS),
}
