"""A limit: picows on uvloop, which gives every message the same answer and parses nothing."""

import asyncio

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from tests.bench.peers.served.ports import ANSWER, allow_connections, make_tls, say


class Responder(WSListener):  # type: ignore[misc]  # the package is not installed beside csms
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            transport.send(WSMsgType.TEXT, ANSWER)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()


def listener(_request: WSUpgradeRequest) -> Responder:
    return Responder()


async def run() -> None:
    plain = await ws_create_server(listener, "127.0.0.1", 0, backlog=4096)
    secure = await ws_create_server(listener, "127.0.0.1", 0, ssl=make_tls(), backlog=4096)
    say(plain.sockets[0].getsockname()[1], secure.sockets[0].getsockname()[1])
    await asyncio.Future()


if __name__ == "__main__":
    allow_connections()
    asyncio.run(run(), loop_factory=uvloop.new_event_loop)
