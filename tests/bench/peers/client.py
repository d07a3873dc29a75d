"""Many charge points in one thread, on raw sockets with prepared frames, so that the client is cheap."""

import os
import select
import ssl
import time
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from tests.bench.gateway.raw_client import open_websocket
from tests.bench.peers.messages import BOOT, MESSAGES, TURNS, Frame, start

_ANSWER_S: Final = 60.0
_LATE_S: Final = 10.0
_TRANSACTION_ID: Final = b'"transactionId":'
_RESULT: Final = b"[3,"
_CONTROL: Final = 0x08
_LOW: Final = os.open(os.devnull, os.O_RDONLY)
"""A descriptor below 1,024, which `select` needs. The descriptor of an epoll is copied to it."""


class Address(NamedTuple):
    """Where a server listens. `path` has a place for the id of the charge point."""

    port: int
    path: str
    tls: ssl.SSLContext | None = None


class ChargePoint:
    """A charge point that has one call in flight at most, and is booted."""

    __slots__ = ("_calls", "_frames", "_next", "due", "socket", "transaction")

    def __init__(self, address: Address, number: int) -> None:
        path = address.path.format(f"PEER{number:05d}")
        self.socket = open_websocket(address.port, path, address.tls, number, patience_s=_ANSWER_S)
        self.transaction = 0
        self.due = 0.0
        self._calls = 0
        self._frames: list[Frame] = []
        self._next = 0
        self._ask(Frame(BOOT))

    def _ask(self, frame: Frame) -> bytes:
        """Send a call and wait for its answer."""
        self._calls += 1
        self.socket.sendall(frame.number(self._calls % TURNS))
        while not (answer := self._read()):
            pass
        return answer

    def prepare(self, name: str) -> None:
        """Make the calls of an entry of MESSAGES. MeterValues belong to a transaction that starts once."""
        self.finish()
        if name == "meter-values" and not self.transaction:
            self.transaction = _find_transaction(self._ask(Frame(start(connector=1))))
        self._frames = [Frame(message) for message in MESSAGES[name](self.transaction)]

    def finish(self) -> None:
        """Send what is left of a pair, so that no transaction stays open."""
        while self._next:
            self.send()
            while not self.receive():
                pass

    def send(self) -> None:
        """Send the next call."""
        self._calls = calls = self._calls + 1
        at = self._next
        self.socket.send(self._frames[at].number(calls % TURNS))
        self._next = at + 1 if at + 1 < len(self._frames) else 0

    def receive(self) -> bool:
        """Read the answer. Return whether it was one. If not, it was a PING, for example."""
        answer = self._read()
        if answer and self._next and (found := answer.find(_TRANSACTION_ID)) >= 0:
            self._frames[self._next].set_transaction(_number_at(answer, found))
        return bool(answer)

    def _read(self) -> bytes:
        data = self.socket.recv(4096)
        if not data:
            raise ConnectionError("the server closed the connection")
        while data and data[0] & _CONTROL:
            data = data[2 + data[1] :]
        if data and _RESULT not in data[:7]:
            raise ConnectionError(f"unexpected answer: {data[:200]!r}")
        return data


def _find_transaction(answer: bytes) -> int:
    """Return the id in the answer to a start, or 1 for a server that parses nothing."""
    found = answer.find(_TRANSACTION_ID)
    return 1 if found < 0 else _number_at(answer, found)


def _number_at(answer: bytes, found: int) -> int:
    digits = answer[found + len(_TRANSACTION_ID) :].lstrip()
    return int(digits.partition(b",")[0].partition(b"}")[0])


class Load(NamedTuple):
    answered: int
    seconds: float
    latencies: list[float]
    """Seconds of each call. Empty after a `saturate` that was not `timed`."""

    def percentile_ms(self, share: float) -> float | None:
        """Return None if no call was answered."""
        if not self.latencies:
            return None
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e3


def saturate(fleet: Sequence[ChargePoint], seconds: float, *, timed: bool = False) -> Load:
    """Keep one call of every charge point in flight. `timed` measures how long the calls took."""
    poll, by_number = _poll(fleet)
    latencies: list[float] = []
    begin = time.perf_counter()
    for one in fleet:
        one.due = begin
        one.send()
    answered, end = 0, begin + seconds
    while time.perf_counter() < end:
        for number, _ in poll.poll(1):
            one = by_number[number]
            if one.receive():
                answered += 1
                if timed:
                    now = time.perf_counter()
                    latencies.append(now - one.due)
                    one.due = now
                one.send()
    answered += _drain(poll, by_number, set(by_number))
    return Load(answered, time.perf_counter() - begin, latencies)


def send_at_rate(fleet: Sequence[ChargePoint], rate: float, seconds: float) -> Load:
    """Send calls at fixed times, on whichever connection is free.

    A latency counts from the time at which the call was due, even if it was sent later.
    """
    poll, by_number = _poll(fleet)
    os.dup2(poll.fileno(), _LOW)
    free, busy = deque(fleet), set[int]()
    latencies: list[float] = []
    total, sent, begin = int(rate * seconds), 0, time.perf_counter()
    while sent < total and (now := time.perf_counter()) < begin + seconds + _LATE_S:
        while free and sent < total and (due := begin + sent / rate) <= now:
            one = free.popleft()
            one.due = due
            one.send()
            busy.add(one.socket.fileno())
            sent += 1
        # The timeout of an epoll has milliseconds only.
        select.select([_LOW], [], [], max(0.0, begin + sent / rate - now) if free else 1.0)
        for number, _ in poll.poll(0):
            one = by_number[number]
            if one.receive():
                latencies.append(time.perf_counter() - one.due)
                busy.discard(number)
                free.append(one)
    _drain(poll, by_number, busy)
    return Load(len(latencies), time.perf_counter() - begin, latencies)


def _poll(fleet: Sequence[ChargePoint]) -> tuple[select.epoll, dict[int, ChargePoint]]:
    poll = select.epoll()
    by_number = {one.socket.fileno(): one for one in fleet}
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    return poll, by_number


def _drain(poll: select.epoll, by_number: dict[int, ChargePoint], busy: set[int]) -> int:
    """Read the answers that are still to come. Return how many came."""
    count, until = len(busy), time.perf_counter() + _ANSWER_S
    while busy:
        if time.perf_counter() > until:
            raise TimeoutError(f"{len(busy)} calls were not answered")
        for number, _ in poll.poll(1):
            if by_number[number].receive():
                busy.discard(number)
    poll.close()
    return count
