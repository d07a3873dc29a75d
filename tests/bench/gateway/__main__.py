"""Measure CPU per message of gateway and store, and memory per idle connection.

Run it with `python -m tests.bench.gateway`. The worker of `csms up` has one core. The client
and the store share the other core.
"""

import argparse
import os
import ssl
import sys
import time
from collections.abc import Callable
from functools import partial

from gateway.config import LimitsConfig
from tests.bench.gateway import yardstick
from tests.bench.gateway.processes import System, csms_up
from tests.bench.gateway.raw_client import RawChargePoint, pin_to, saturate
from tests.support.processes import cpu_s, resident_kib

BOOT = b'{"chargePointVendor":"csms","chargePointModel":"bench"}'
START = b'{"connectorId":1,"idTag":"DEMO","meterStart":0,"timestamp":"2026-01-01T00:00:00Z"}'
_PAUSE_S = 1 / LimitsConfig().handshakes_per_second
"""A gateway refuses connections that come faster."""
_SAMPLE = '{"value":"%b","context":"Sample.Periodic","format":"Raw","location":"Outlet",%s}'
SAMPLES = ",".join(
    _SAMPLE.replace("%s", rest)
    for rest in (
        '"measurand":"Energy.Active.Import.Register","unit":"Wh"',
        '"measurand":"Power.Active.Import","unit":"W"',
        '"measurand":"Current.Import","unit":"A","phase":"L1"',
        '"measurand":"Current.Import","unit":"A","phase":"L2"',
        '"measurand":"Voltage","unit":"V"',
        '"measurand":"SoC","unit":"Percent"',
    )
)
METER_VALUES = (
    '{"connectorId":1,"transactionId":%d,"meterValue":[{"timestamp":"2026-01-01T00:00:00.000Z","sampledValue":['
    + SAMPLES
    + "]}]}"
).encode()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gateway", description=__doc__)
    parser.add_argument("--connections", type=int, nargs="+", default=[200, 2000])
    parser.add_argument("--idle", type=int, default=3000, help="connections for the memory measurement")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds for each measurement")
    parser.add_argument("--transport", choices=("plain", "tls"), nargs="+", default=["plain", "tls"])
    arguments = parser.parse_args()
    for transport in arguments.transport:
        pin_to(1)
        bare = yardstick.measure(arguments.connections[0], arguments.seconds)
        _say(f"yardstick: a bare Trio echo, {arguments.connections[0]} connections: {bare:.1f} us CPU")
        with csms_up() as system:
            os.sched_setaffinity(system.gateway, {0})
            os.sched_setaffinity(system.server, {1 % (os.cpu_count() or 1)})
            pin_to(1)
            _measure(system, transport == "tls", arguments)


def _measure(system: System, secure: bool, arguments: argparse.Namespace) -> None:  # noqa: FBT001  a row's name
    name = "TLS" if secure else "plain"
    tls = ssl.create_default_context(cafile=system.ca_file) if secure else None
    most = max(arguments.idle, *arguments.connections)
    _connect(system, tls, "W", 50)
    before_kib, before_s = resident_kib(system.gateway), cpu_s(system.gateway)
    fleet = _connect(system, tls, "B", most)
    kib = (resident_kib(system.gateway) - before_kib) / most
    milliseconds = (cpu_s(system.gateway) - before_s) / most * 1000
    _say(f"{name}: {kib:.1f} KiB per idle connection ({most}), {milliseconds:.2f} ms CPU to connect one")
    for count in arguments.connections:
        busy = fleet[:count]
        for one in busy:
            _start(one)
        beats = [_heartbeat] * count
        values = [partial(_meter_values, one.transaction_id) for one in busy]
        for action, makes in (("Heartbeat", beats), ("MeterValues", values)):
            _report(
                system,
                f"{name}: {action}, {count} connections",
                partial(saturate, busy, action, makes, arguments.seconds),
            )


def _report(system: System, title: str, work: Callable[[], int]) -> None:
    gateway, server = cpu_s(system.gateway), cpu_s(system.server)
    answered = work()
    gateway, server = cpu_s(system.gateway) - gateway, cpu_s(system.server) - server
    _say(
        f"{title}: {gateway / answered * 1e6:.1f} us CPU of the gateway,"
        f" {server / answered * 1e6:.1f} us of the server,"
        f" {answered / gateway:,.0f} messages per core-second"
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _connect(system: System, tls: ssl.SSLContext | None, prefix: str, count: int) -> list[RawChargePoint]:
    fleet = []
    for number in range(count):
        fleet.append(RawChargePoint(system.url(f"{prefix}{number:05d}", secure=tls is not None), tls, number))
        time.sleep(_PAUSE_S)
    return fleet


def _start(one: RawChargePoint) -> None:
    if not one.transaction_id:
        one.ask("BootNotification", BOOT)
        answer = one.ask("StartTransaction", START)
        one.transaction_id = int(
            answer.rpartition(b'"transactionId":')[2].partition(b"}")[0].partition(b",")[0]
        )


def _heartbeat(_number: int) -> bytes:
    return b"{}"


def _meter_values(transaction_id: int, number: int) -> bytes:
    values = (b"%d" % (1000 + number), b"11040.0", b"16.02", b"15.98", b"230.4", b"%d" % (number % 100))
    return METER_VALUES % (transaction_id, *values)


if __name__ == "__main__":
    main()
