"""A charge point with a hand-written websocket that never answers a PING and may send any frame."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import trio

from tests.support.websocket_frames import frame


class RawSocket:
    """A connection.

    `status` is the HTTP status of the upgrade, or 0 if the server hung up. `pings` counts unanswered PINGs.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.status = 0
        self.body = ""
        self.pings = 0
        self._data = b""

    async def upgrade(self, request: bytes) -> None:
        await self.stream.send_all(request)
        while b"\r\n\r\n" not in self._data:
            await self._more()
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        self.status = int(head.split()[1])
        if self.status != 101:
            async for data in self.stream:
                self._data += data
            self.body = self._data.decode()

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def exchange(self, action: str, payload: Any, *, first: int = 0x81) -> Any:
        """Send a call and return the whole answering frame. `first` is the first byte of the call's frame."""
        await self.send(frame(first, json.dumps([2, "raw", action, payload]).encode()))
        while True:
            opcode, answer = await self.read()
            if opcode == 1:
                return json.loads(answer)

    async def read(self) -> tuple[int, bytes]:
        """Return opcode and content of the next frame. Raises EOFError at the end of the connection."""
        await self._have(2)
        length, start = self._data[1], 2
        if length == 126:
            await self._have(4)
            length, start = int.from_bytes(self._data[2:4]), 4
        await self._have(start + length)
        first, content = self._data[0], self._data[start : start + length]
        self._data = self._data[start + length :]
        if first == 0x89:
            self.pings += 1
        return first & 15, content

    async def _have(self, size: int) -> None:
        while len(self._data) < size:
            await self._more()

    async def _more(self) -> None:
        try:
            data = await self.stream.receive_some(65_536)
        except trio.BrokenResourceError:
            data = b""
        if not data:
            raise EOFError(self._data)
        self._data += data


def request(target: str, *, without: str = "", headers: tuple[str, ...] = ()) -> bytes:
    """Make an upgrade request. The header named `without` is left out."""
    lines = (
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: ocpp1.6",
    )
    kept = [line for line in lines if not without or not line.startswith(f"{without}:")]
    return "\r\n".join([f"GET {target} HTTP/1.1", *kept, *headers, "", ""]).encode("latin-1")


@asynccontextmanager
async def raw_socket(url: str, asking: bytes) -> AsyncIterator[RawSocket]:
    """Connect, and return after the upgrade was granted or refused."""
    async with await trio.open_tcp_stream("127.0.0.1", urlsplit(url).port or 0) as stream:
        socket = RawSocket(stream)
        await socket.upgrade(asking)
        yield socket
