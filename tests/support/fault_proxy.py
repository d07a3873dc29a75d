"""A proxy that delays, swallows or cuts the traffic between a client and a server."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import trio

type Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]


class FaultProxy:
    """Listens on loopback, forwards to a unix socket or a (host, port). Faults may be changed at any time."""

    def __init__(self, target: str | tuple[str, int], tls: ssl.SSLContext | None) -> None:
        self.port = 0
        self.requests_wait_for: trio.Event | None = None
        self.delay_s = 0.0
        self.swallow_replies = False
        self.swallow_from: bytes | None = None
        """Swallow all replies after a request with this text. The request itself reaches the server."""
        self.refuse = False
        self.cut_after_reply_bytes: int | None = None
        self.accepted = 0
        self._target = target
        self._tls = tls
        self._open: set[trio.CancelScope] = set()

    def cut(self) -> None:
        """Break all connections now."""
        for scope in self._open:
            scope.cancel()

    async def _serve(self, raw: trio.SocketStream) -> None:
        self.accepted += 1
        if self.refuse:
            return
        client: Stream = raw if self._tls is None else trio.SSLStream(raw, self._tls, server_side=True)
        with trio.CancelScope() as scope:
            self._open.add(scope)
            try:
                server = await self._connect()
                async with server, trio.open_nursery() as nursery:
                    nursery.start_soon(self._pump, client, server, nursery.cancel_scope)
                    nursery.start_soon(self._pump_replies, server, client, nursery.cancel_scope)
            finally:
                self._open.discard(scope)

    async def _connect(self) -> trio.SocketStream:
        if isinstance(self._target, str):
            return await trio.open_unix_socket(self._target)
        return await trio.open_tcp_stream(*self._target)

    async def _pump(self, source: Stream, sink: Stream, over: trio.CancelScope) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for data in source:
                if self.requests_wait_for is not None:
                    await self.requests_wait_for.wait()
                if self.swallow_from is not None and self.swallow_from in data:
                    self.swallow_replies, self.swallow_from = True, None
                await sink.send_all(data)
        over.cancel()

    async def _pump_replies(self, source: Stream, sink: Stream, over: trio.CancelScope) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for data in source:
                await trio.sleep(self.delay_s)
                if self.swallow_replies:
                    continue
                await sink.send_all(data[: self.cut_after_reply_bytes])
                if self.cut_after_reply_bytes is None:
                    continue
                self.cut_after_reply_bytes -= len(data)
                if self.cut_after_reply_bytes <= 0:
                    self.cut_after_reply_bytes = None
                    self.cut()
        over.cancel()


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
