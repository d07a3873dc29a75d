"""A load balancer for TCP. Each new connection goes to a pod that is ready. Old connections stay."""

import math
import random
from contextlib import suppress
from functools import partial

import trio


class Service:
    """`propagation_s` is the time until the load balancer knows that a pod became ready or not ready.

    `latency_s` is the time that bytes need in each direction, as in a mobile network. So a message may be on
    its way when csms closes the connection.
    """

    def __init__(self, nursery: trio.Nursery, propagation_s: float, latency_s: float) -> None:
        self.port = 0
        self.unserved = 0
        """Connections that came while no pod was ready, or whose pod did not accept."""
        self._nursery = nursery
        self._propagation_s = propagation_s
        self._latency_s = latency_s
        self._endpoints: list[tuple[str, int]] = []

    async def start(self) -> None:
        serve = partial(trio.serve_tcp, self._forward, 0, host="127.0.0.1")
        listeners = await self._nursery.start(serve)
        self.port = listeners[0].socket.getsockname()[1]

    def add(self, address: tuple[str, int]) -> None:
        self._nursery.start_soon(self._change, address, True)

    def remove(self, address: tuple[str, int]) -> None:
        self._nursery.start_soon(self._change, address, False)

    def serves(self, address: tuple[str, int]) -> bool:
        return address in self._endpoints

    async def _change(self, address: tuple[str, int], ready: bool) -> None:  # noqa: FBT001  a state
        await trio.sleep(self._propagation_s)
        self._endpoints = [found for found in self._endpoints if found != address] + [address] * ready

    async def _forward(self, client: trio.SocketStream) -> None:
        if not self._endpoints:
            self.unserved += 1
            return
        host, port = random.choice(self._endpoints)
        try:
            server = await trio.open_tcp_stream(host, port)
        except OSError:
            self.unserved += 1
            return
        async with server, trio.open_nursery() as nursery:
            for source, sink in ((client, server), (server, client)):
                sender, receiver = trio.open_memory_channel[tuple[float, bytes]](math.inf)
                nursery.start_soon(self._read, source, sender)
                nursery.start_soon(_write, receiver, sink)

    async def _read(
        self, source: trio.SocketStream, sender: trio.MemorySendChannel[tuple[float, bytes]]
    ) -> None:
        async with sender:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                async for data in source:
                    sender.send_nowait((trio.current_time() + self._latency_s, bytes(data)))


async def _write(receiver: trio.MemoryReceiveChannel[tuple[float, bytes]], sink: trio.SocketStream) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        async for at, data in receiver:
            await trio.sleep_until(at)
            await sink.send_all(data)
        await sink.send_eof()
