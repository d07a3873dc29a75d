"""Measure the OCPP code alone: `python -m tests.bench.ocpp16` prints microseconds per message.

The program takes a few seconds. Each figure is the best of several rounds, because the machine is shared.
"""

import sys
import timeit
from collections.abc import Callable
from itertools import cycle
from typing import Final

import msgspec

from gateway.ocpp16.faults import repairs
from gateway.ocpp16.messages import core
from gateway.ocpp16.messages.types import IdTagInfo, Message
from gateway.ocpp16.protocol import Protocol, Role
from gateway.ocpp16.received import IncomingCall

_NUMBER: Final = 20_000
_ROUNDS: Final = 5
_NOW: Final = "2026-01-31T12:00:00.000Z"


def meter_values(samples: int = 6) -> bytes:
    """Make the payload of a typical MeterValues; its six samples take about 700 bytes."""
    measurands = ("Energy.Active.Import.Register", "Power.Active.Import", "Current.Import", "Voltage", "SoC")
    sampled = [
        {
            "value": f"{1234.5 + index}",
            "context": "Sample.Periodic",
            "measurand": measurands[index % len(measurands)],
            "unit": ("Wh", "W", "A", "V", "Percent")[index % len(measurands)],
        }
        for index in range(samples)
    ]
    value = {"timestamp": _NOW, "sampledValue": sampled}
    return msgspec.json.encode({"connectorId": 1, "transactionId": 34_000_000, "meterValue": [value]})


def _frame(action: str, payload: bytes) -> bytes:
    return b'[2,"0f5bd0a6-7b3e-4b6e-9f0a-0123456789%%02x","%b",%b]' % (action.encode(), payload)


def _exchange(frame: bytes, result: Message) -> Callable[[], bytes]:
    protocol = Protocol(Role.CENTRAL_SYSTEM)
    # As on a real connection, the protocol stores no answer to this message id any more, and the frame is a
    # new object whose hash Python has not cached yet.
    following = cycle([frame % number for number in range(64)]).__next__

    def exchange() -> bytes:
        call = protocol.receive(bytes(memoryview(following())))
        assert isinstance(call, IncomingCall)
        return protocol.answer(call, result)

    return exchange


def _cases() -> dict[str, tuple[int, Callable[[], object]]]:
    heartbeat = _frame("Heartbeat", b"{}")
    boot = _frame("BootNotification", b'{"chargePointVendor":"Vendor","chargePointModel":"Model 2"}')
    status = _frame(
        "StatusNotification",
        b'{"connectorId":1,"errorCode":"NoError","status":"Available","timestamp":"%b"}' % _NOW.encode(),
    )
    start = _frame(
        "StartTransaction",
        b'{"connectorId":1,"idTag":"04A1B2C3D4","meterStart":1000,"timestamp":"%b"}' % _NOW.encode(),
    )
    payload = meter_values()
    meter = _frame("MeterValues", payload)
    bad = _frame("MeterValues", payload.replace(b'"Percent"', b'"per cent"'))
    booted = core.BootNotificationResult(status="Accepted", current_time=_NOW, interval=300)
    started = core.StartTransactionResult(id_tag_info=IdTagInfo(status="Accepted"), transaction_id=34_000_000)
    done = core.MeterValuesResult()
    return {
        "Heartbeat, received and answered": (
            len(heartbeat) - 2,
            _exchange(heartbeat, core.HeartbeatResult(current_time=_NOW)),
        ),
        "BootNotification": (len(boot) - 2, _exchange(boot, booted)),
        "StatusNotification": (len(status) - 2, _exchange(status, core.StatusNotificationResult())),
        "StartTransaction": (len(start) - 2, _exchange(start, started)),
        "MeterValues": (len(meter) - 2, _exchange(meter, done)),
        "MeterValues with a bad sample (repaired)": (len(bad) - 2, _exchange(bad, done)),
        "raw_meter_value alone": (len(payload), lambda: core.raw_meter_value(payload)),
        "MeterValues payload, strict": (
            len(payload),
            lambda: repairs.read_strictly(core.MeterValues, payload),
        ),
    }


def main() -> None:
    out = sys.stdout
    out.write(f"{'':<45}{'bytes':>7}{'us':>9}\n")
    for name, (size, case) in _cases().items():
        once = min(timeit.repeat(case, number=100, repeat=3)) / 100
        number = max(10, min(_NUMBER, int(0.1 / once)))
        best = min(timeit.repeat(case, number=number, repeat=_ROUNDS)) / number
        out.write(f"{name:<45}{size:>7}{best * 1e6:>9.2f}\n")


if __name__ == "__main__":
    main()
