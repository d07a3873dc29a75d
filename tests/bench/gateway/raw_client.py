"""Many charge points in one thread, on raw sockets with prepared frames, so that the client is cheap.

Each connection has one call in flight and sends the next call as soon as the answer has arrived.
"""

import os
import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

type MakePayload = Callable[[int], bytes]

_ANSWER_S = 10.0


def open_websocket(
    port: int, path: str, tls: ssl.SSLContext | None, number: int, *, patience_s: float
) -> socket.socket:
    """Connect to a port of this machine, and upgrade. Each wait takes at most `patience_s`.

    One source address has about 28,000 ports, so the connections use several addresses, by their `number`.
    Raises ConnectionError or OSError.
    """
    source = (f"127.0.0.{2 + number % 50}", 0)
    opened = socket.create_connection(("127.0.0.1", port), patience_s, source)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls is not None:
        opened = tls.wrap_socket(opened, server_hostname="localhost")
    opened.sendall(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        part = opened.recv(4096)
        if not part:
            raise ConnectionError(f"the server closed the connection after {head!r}")
        head += part
    if b" 101 " not in head.partition(b"\r\n")[0]:
        raise ConnectionError(head.partition(b"\r\n")[0].decode(errors="replace"))
    return opened


class RawChargePoint:
    def __init__(self, url: str, tls: ssl.SSLContext | None, number: int) -> None:
        parts = urlsplit(url)
        self.socket = open_websocket(parts.port or 0, parts.path, tls, number, patience_s=_ANSWER_S)
        self._calls = 0
        self.transaction_id = 0

    def call(self, action: str, make: MakePayload) -> None:
        """Send the next call, and do not wait for its answer."""
        self._calls += 1
        self.socket.sendall(masked(b'[2,"%d","%b",%b]' % (self._calls, action.encode(), make(self._calls))))

    def ask(self, action: str, payload: bytes) -> bytes:
        """Send a call and wait for the frame of the answer. Raises ConnectionError for a CALLERROR."""
        self.call(action, lambda _: payload)
        answer = self.socket.recv(65_536)
        if b"[3," not in answer[:12]:
            raise ConnectionError(f"{action} was answered {answer[:200]!r}")
        return answer


def saturate(
    fleet: Sequence[RawChargePoint], action: str, makes: Sequence[MakePayload], seconds: float
) -> int:
    """For some time, keep one call of every charge point in flight. Return how many calls were answered."""
    poll = select.epoll()
    by_number = {one.socket.fileno(): (one, make) for one, make in zip(fleet, makes, strict=True)}
    for number, (one, make) in by_number.items():
        poll.register(number, select.EPOLLIN)
        one.call(action, make)
    answered, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        for number, _ in poll.poll(1):
            one, make = by_number[number]
            if b"[3," not in one.socket.recv(4096)[:8]:
                raise ConnectionError(f"{action} was not answered by a CALLRESULT")
            answered += 1
            one.call(action, make)
    waiting = set(by_number)
    while waiting and time.monotonic() < end + _ANSWER_S:
        for number, _ in poll.poll(1):
            by_number[number][0].socket.recv(4096)
            poll.unregister(number)
            waiting.discard(number)
            answered += 1
    return answered


def pin_to(core: int) -> None:
    os.sched_setaffinity(0, {core % (os.cpu_count() or 1)})


def masked(payload: bytes, first: int = 0x81) -> bytes:
    """Make a frame, by default a text frame. `first` is its first byte.

    The mask is four zeros, which costs the client nothing. For the server, each mask costs the same.
    """
    length = len(payload)
    if length < 126:
        return bytes((first, 0x80 | length, 0, 0, 0, 0)) + payload
    return bytes((first, 0xFE)) + length.to_bytes(2) + bytes(4) + payload
