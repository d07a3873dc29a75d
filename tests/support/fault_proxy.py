"""A proxy that delays, slices, swallows, cuts or resets the traffic between a client and a server.

The client may be a gateway and the server a store, or the client a charge point and the server a gateway.
"""

import random
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import trio
import trio.lowlevel

type Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]

_GONE = (trio.BrokenResourceError, trio.ClosedResourceError)
RESET = struct.pack("ii", 1, 0)
_IN_FLIGHT = 1_000
"""Greatest number of pieces that wait in one direction for their time."""


class Direction:
    """The faults of one direction, which may be changed at any time.

    Each piece of data is late by `delay_s` plus a random part of `jitter_s`, and pieces stay in their order.
    `bytes_per_s` is the bandwidth, and `slice_bytes` the greatest piece that is passed on at once.
    `reset_chance` is the share of pieces at which the connection is reset, half of them after the piece was
    passed on.
    """

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.jitter_s = 0.0
        self.bytes_per_s: float | None = None
        self.slice_bytes: int | None = None
        self.swallow = False
        self.cut_after_bytes: int | None = None
        """Pass on that many further bytes of any connection, then break all connections."""
        self.wait_for: trio.Event | None = None
        self.reset_chance = 0.0
        self.passed_bytes = 0
        self.resets = 0


class _Pair:
    """One connection of a client with its connection to the server."""

    def __init__(self, client: trio.SocketStream) -> None:
        self.scope = trio.CancelScope()
        self.sockets = [client.socket]

    def reset(self) -> None:
        """End both connections with a TCP RST, so that bytes on their way are lost."""
        for each in self.sockets:
            with suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                each.close()
        self.scope.cancel()


class FaultProxy:
    """Listens on loopback, forwards to a unix socket or a (host, port). Faults may be changed at any time."""

    def __init__(self, target: str | tuple[str, int], tls: ssl.SSLContext | None) -> None:
        self.port = 0
        self.requests = Direction()
        self.replies = Direction()
        self.swallow_from: bytes | None = None
        """Swallow all replies after a request with this text. The request itself reaches the server."""
        self.swallowing = trio.Event()
        """Set as soon as `swallow_from` has seen its request; replace it to use it again."""
        self.refuse = False
        self.half_open = False
        """Accept connections and their bytes, and pass nothing on in either direction."""
        self.accepted = 0
        self.counted: dict[bytes, int] = {}
        """How often each of these texts was in a piece of a request. A text in two pieces is not counted."""
        self.dice = random.Random()
        self._target = target
        self._tls = tls
        self._open: set[_Pair] = set()

    @property
    def open(self) -> int:
        """Number of open connections of clients."""
        return len(self._open)

    def cut(self) -> None:
        """Break all connections now."""
        for pair in tuple(self._open):
            pair.scope.cancel()

    def reset(self) -> None:
        """Reset all connections now, on both sides."""
        for pair in tuple(self._open):
            pair.reset()

    async def _serve(self, raw: trio.SocketStream) -> None:
        self.accepted += 1
        if self.refuse:
            return
        client: Stream = raw if self._tls is None else trio.SSLStream(raw, self._tls, server_side=True)
        pair = _Pair(raw)
        self._open.add(pair)
        with pair.scope:
            try:
                if self.half_open:
                    await self._drain(client)
                    return
                server = await self._connect()
                pair.sockets.append(server.socket)
                async with server, trio.open_nursery() as nursery:
                    nursery.start_soon(self._pump, client, server, pair, self.requests)
                    nursery.start_soon(self._pump, server, client, pair, self.replies)
            finally:
                self._open.discard(pair)

    async def _connect(self) -> trio.SocketStream:
        if isinstance(self._target, str):
            return await trio.open_unix_socket(self._target)
        return await trio.open_tcp_stream(*self._target)

    async def _drain(self, client: Stream) -> None:
        with suppress(*_GONE):
            async for _ in client:
                pass

    async def _pump(self, source: Stream, sink: Stream, pair: _Pair, way: Direction) -> None:
        """Pass data on until one side is gone, then end the pair.

        A connection that has lost bytes ends as soon as it should pass data on again, because TCP never
        delivers what follows lost bytes.
        """
        send, receive = trio.open_memory_channel[tuple[float, bytes]](_IN_FLIGHT)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._deliver, receive, sink, pair, way)
            with suppress(*_GONE):
                async for data in source:
                    due = trio.current_time() + way.delay_s + way.jitter_s * self.dice.random()
                    await send.send((due, bytes(data)))
            await send.aclose()
        pair.scope.cancel()

    async def _deliver(
        self,
        pieces: trio.MemoryReceiveChannel[tuple[float, bytes]],
        sink: Stream,
        pair: _Pair,
        way: Direction,
    ) -> None:
        lost = False
        with suppress(*_GONE):
            async for due, data in pieces:
                await trio.sleep_until(due)
                if way.wait_for is not None:
                    await way.wait_for.wait()
                if way is self.requests:
                    for text in self.counted:
                        self.counted[text] += data.count(text)
                if way is self.requests and self.swallow_from is not None and self.swallow_from in data:
                    self.replies.swallow, self.swallow_from = True, None
                    self.swallowing.set()
                if way.swallow or self.half_open:
                    lost = True
                    continue
                if lost:
                    break
                await self._pass_on(data, sink, pair, way)
        pair.scope.cancel()

    async def _pass_on(self, data: bytes, sink: Stream, pair: _Pair, way: Direction) -> None:
        falls = way.reset_chance and self.dice.random() < way.reset_chance
        if falls and self.dice.random() < 0.5:
            way.resets += 1
            pair.reset()
            return
        allowed = way.cut_after_bytes
        await self._send(data[:allowed], sink, way)
        if falls:
            way.resets += 1
            pair.reset()
        if allowed is not None:
            way.cut_after_bytes = allowed - len(data)
            if way.cut_after_bytes <= 0:
                way.cut_after_bytes = None
                self.cut()

    async def _send(self, data: bytes, sink: Stream, way: Direction) -> None:
        size = way.slice_bytes or len(data)
        for begin in range(0, len(data), size or 1):
            piece = data[begin : begin + size]
            if way.bytes_per_s:
                await trio.sleep(len(piece) / way.bytes_per_s)
            elif way.slice_bytes:
                await trio.lowlevel.checkpoint()  # The next slice must be a packet of its own.
            way.passed_bytes += len(piece)
            await sink.send_all(piece)


@asynccontextmanager
async def fault_proxy(
    target: str | tuple[str, int], tls: ssl.SSLContext | None = None
) -> AsyncIterator[FaultProxy]:
    proxy = FaultProxy(target, tls)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(_listen, proxy)
        proxy.port = listeners[0].socket.getsockname()[1]
        yield proxy
        nursery.cancel_scope.cancel()


async def _listen(proxy: FaultProxy, *, task_status: trio.TaskStatus[list[trio.SocketListener]]) -> None:
    await trio.serve_tcp(proxy._serve, 0, host="127.0.0.1", task_status=task_status)
