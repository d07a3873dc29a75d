"""Idle charge points with real connections: `python -m tests.bench.upkeep.idle_fleet`.

Each one boots, answers PINGs, and sends a Heartbeat every 300 s. The sockets are raw and one thread serves
them all, so that thousands of charge points cost little. The process answers each line of stdin:

connect   open all connections
count     the number of open connections, and of Heartbeats, PINGs and closed connections so far
"""

import argparse
import heapq
import random
import selectors
import sys
import time

from tests.bench.gateway.raw_client import RawChargePoint, masked
from tests.bench.upkeep.helpers import say

HEARTBEAT_S = 300.0
BOOT = b'{"chargePointVendor":"csms","chargePointModel":"idle"}'
PING, PONG, CLOSE, TEXT = 0x89, 0x8A, 0x88, 0x81
LONG = 126


class IdleFleet:
    def __init__(self, url: str, numbers: range, per_second: float) -> None:
        self._url = url
        self._numbers = numbers
        self._pause_s = 1 / per_second
        self._events = selectors.DefaultSelector()
        self._events.register(sys.stdin, selectors.EVENT_READ, None)
        self._due: list[tuple[float, int]] = []
        self._open: dict[int, RawChargePoint] = {}
        self._unread: dict[int, bytes] = {}
        self._heartbeats = self._pings = self._closed = 0

    def run(self) -> None:
        """Serve the charge points until stdin ends."""
        while (line := self._serve(1.0)) != "":
            if line == "connect\n":
                self._connect()
            if line is not None:
                say([len(self._open), self._heartbeats, self._pings, self._closed])

    def _connect(self) -> None:
        next_at = time.monotonic()
        for number in self._numbers:
            while (early := next_at - time.monotonic()) > 0:
                self._serve(early)
            next_at = max(next_at + self._pause_s, time.monotonic() - 1)
            one = RawChargePoint(f"{self._url}/R-{number:06}", None, number)
            one.call("BootNotification", lambda _: BOOT)
            fd = one.socket.fileno()
            self._open[fd], self._unread[fd] = one, b""
            self._events.register(one.socket, selectors.EVENT_READ, fd)
            heapq.heappush(self._due, (time.monotonic() + random.uniform(0, HEARTBEAT_S), fd))
            self._serve(0)

    def _serve(self, at_most_s: float) -> str | None:
        """Do what is due, and return the line that came meanwhile."""
        line = None
        for key, _ in self._events.select(at_most_s):
            if key.data is None:
                line = sys.stdin.readline()
            else:
                self._receive(key.data)
        while self._due and self._due[0][0] <= time.monotonic():
            due, fd = heapq.heappop(self._due)
            if fd in self._open:
                self._open[fd].call("Heartbeat", lambda _: b"{}")
                self._heartbeats += 1
                heapq.heappush(self._due, (due + HEARTBEAT_S, fd))
        return line

    def _receive(self, fd: int) -> None:
        one = self._open[fd]
        try:
            some = one.socket.recv(65_536)
        except OSError:
            some = b""
        data = self._unread[fd] + some
        while some and len(data) >= 2:
            length, begin = data[1], 2
            if length == LONG:
                length, begin = int.from_bytes(data[2:4]), 4
            if len(data) < begin + length:
                break
            if data[0] == PING:
                self._pings += 1
                one.socket.sendall(masked(data[begin : begin + length], PONG))
            some = b"" if data[0] == CLOSE else some
            data = data[begin + length :]
        self._unread[fd] = data
        if not some:
            self._events.unregister(one.socket)
            one.socket.close()
            del self._open[fd], self._unread[fd]
            self._closed += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("first", type=int)
    parser.add_argument("end", type=int)
    parser.add_argument("per_second", type=float)
    options = parser.parse_args()
    IdleFleet(options.url, range(options.first, options.end), options.per_second).run()


if __name__ == "__main__":
    main()
