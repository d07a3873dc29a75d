"""A limit: a bare Trio task per connection, which gives everything that it receives the same answer.

The task knows no websocket. It answers an upgrade request, and then takes each chunk for one message.
"""

import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import partial

import trio

from tests.bench.peers.served.ports import ANSWER, allow_connections, make_tls, say

ACCEPT = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)
FRAME = bytes((0x81, len(ANSWER))) + ANSWER


async def answer(client: socket.socket) -> None:
    reply = ACCEPT
    with client:
        while True:
            await trio.lowlevel.wait_readable(client)
            try:
                if not client.recv(4096):
                    return
                client.send(reply)
            except ConnectionError:
                return
            reply = FRAME


async def answer_tls(client: socket.socket, tls: ssl.SSLContext) -> None:
    transport = trio.SocketStream(trio.socket.from_stdlib_socket(client))
    stream = trio.SSLStream(transport, tls, server_side=True)
    reply = ACCEPT
    with client:
        try:
            while await stream.receive_some(4096):
                await stream.send_all(reply)
                reply = FRAME
        except trio.BrokenResourceError:
            return


async def accept(listener: socket.socket, handle: Callable[[socket.socket], Awaitable[None]]) -> None:
    listener.setblocking(False)
    async with trio.open_nursery() as nursery:
        while True:
            await trio.lowlevel.wait_readable(listener)
            client, _ = listener.accept()
            client.setblocking(False)
            nursery.start_soon(handle, client)


async def run() -> None:
    plain, secure = (socket.create_server(("127.0.0.1", 0), backlog=4096) for _ in range(2))
    say(plain.getsockname()[1], secure.getsockname()[1])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept, plain, answer)
        nursery.start_soon(accept, secure, partial(answer_tls, tls=make_tls()))


if __name__ == "__main__":
    allow_connections()
    trio.run(run)
