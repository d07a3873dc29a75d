"""What is measured of one running server: loads, idle connections, and connecting over TLS."""

import time
from typing import Final

from tests.bench.peers.client import Address, ChargePoint, Load, saturate, send_at_rate
from tests.bench.peers.results import Cell, Connecting, Idle
from tests.bench.peers.servers import Server
from tests.support.processes import exact_cpu_s, resident_kib

_WARM_UP: Final = 0.2
"""The share of a measurement's seconds in which the same load runs before it."""
_SETTLE_S: Final = 3.0
_QUIET_S: Final = 0.2
_QUIET_SHARE: Final = 0.03
_BECOME_QUIET_S: Final = 20.0
_HALF: Final = 0.5


class Clock:
    """The CPU times of the server, of its store and of this process since the clock was made."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._began = self._read()

    def _read(self) -> tuple[float, float, float]:
        store = self._server.store
        return (
            exact_cpu_s(self._server.pid),
            0.0 if store is None else exact_cpu_s(store),
            time.process_time(),
        )

    def read(self) -> tuple[float, float, float]:
        server, store, client = (now - then for now, then in zip(self._read(), self._began, strict=True))
        return server, store, client


class Fleet:
    """The charge points of one server, which keep their transactions when they connect again."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._connected: list[ChargePoint] = []
        self._transactions: dict[int, int] = {}

    def take(self, count: int) -> list[ChargePoint]:
        """Connect as many as are missing, and return the first `count` ones."""
        for number in range(len(self._connected), count):
            one = ChargePoint(self._address, number)
            one.transaction = self._transactions.get(number, 0)
            self._connected.append(one)
        return self._connected[:count]

    def disconnect(self) -> None:
        for number, one in enumerate(self._connected):
            self._transactions[number] = one.transaction
            one.socket.close()
        self._connected.clear()


def measure_load(
    name: str, server: Server, busy: list[ChargePoint], message: str, *, seconds: float, latency: bool
) -> Cell:
    """Saturate the server, and then send at half the rate that it reached."""
    for one in busy:
        one.prepare(message)
    saturate(busy, seconds * _WARM_UP)
    clock = Clock(server)
    load = saturate(busy, seconds)
    cell = _make_cell(name, message, len(busy), load, clock.read())
    if latency:
        calls = 2 if message == "start-stop" else 1
        clock = Clock(server)
        half = send_at_rate(busy, cell.rate * calls * _HALF, seconds)
        cell.p50_ms, cell.p99_ms = half.percentile_ms(0.5), half.percentile_ms(0.99)
        if half.answered:
            cell.half_us = clock.read()[0] / half.answered * calls * 1e6
    for one in busy:
        one.finish()
    return cell


def _make_cell(
    name: str, message: str, connections: int, load: Load, spent: tuple[float, float, float]
) -> Cell:
    count = load.answered / (2 if message == "start-stop" else 1)
    server, store, client = spent
    return Cell(
        name,
        message,
        connections,
        us=server / count * 1e6,
        store_us=store / count * 1e6,
        client_us=client / count * 1e6,
        rate=count / load.seconds,
        server_share=server / load.seconds,
        client_share=client / load.seconds,
    )


def measure_idle(name: str, server: Server, count: int) -> Idle:
    """Measure what resident memory grows by, first for plain connections, and then for TLS beside them."""
    connected: list[ChargePoint] = []
    try:
        kib = [_measure_growth(server, address, connected, count) for address in (server.plain, server.tls)]
    finally:
        for one in connected:
            one.socket.close()
    wait_until_quiet(server)
    return Idle(name, *kib)


def _measure_growth(server: Server, address: Address, connected: list[ChargePoint], count: int) -> float:
    """Measure without the first connections, which make the server ready for any."""
    first = count // 10
    _connect(address, connected, first)
    before = resident_kib(server.pid)
    _connect(address, connected, count)
    return (resident_kib(server.pid) - before) / count


def _connect(address: Address, connected: list[ChargePoint], more: int) -> None:
    connected.extend(ChargePoint(address, len(connected) + number) for number in range(more))
    time.sleep(_SETTLE_S)


def measure_connecting(name: str, server: Server, count: int) -> Connecting:
    """Connect one charge point after the other, so that the client cannot be the limit."""
    clock = Clock(server)
    for number in range(count):
        ChargePoint(server.tls, number).socket.close()
    wait_until_quiet(server)
    spent, _, client = clock.read()
    return Connecting(name, spent / count * 1e3, client / count * 1e3)


def wait_until_quiet(server: Server) -> None:
    """Wait until the server has dealt with connections that were closed."""
    until = time.monotonic() + _BECOME_QUIET_S
    while time.monotonic() < until:
        before = exact_cpu_s(server.pid)
        time.sleep(_QUIET_S)
        if exact_cpu_s(server.pid) - before < _QUIET_S * _QUIET_SHARE:
            return
