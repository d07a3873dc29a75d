"""Two servers that share one cap on handshakes, as a gateway's plain port and its TLS port do."""

from contextlib import AsyncExitStack
from functools import partial

import trio

from gateway.websocket.handshakes import Handshakes
from gateway.websocket.limits import Limits
from gateway.websocket.listeners import open_listeners
from gateway.websocket.server import serve
from gateway.websocket.stats import Stats
from tests.gateway.websocket.support import Echo, plain, raw_peer, text, until


async def test_who_dawdles_at_one_door_keeps_nobody_out_at_the_other() -> None:
    limits, stats, handshakes = Limits(handshakes_in_flight=100, http_upgrade_s=30), Stats(), Handshakes()
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery, AsyncExitStack() as dawdling:
            first, second = [
                await nursery.start(
                    partial(
                        serve,
                        open_listeners("127.0.0.1", 0),
                        handle=Echo(),
                        limits=limits,
                        stats=stats,
                        handshakes=handshakes,
                    )
                )
                for _ in range(2)
            ]
            for _ in range(99):
                await dawdling.enter_async_context(raw_peer(first, upgrade=False))
            await until(lambda: len(handshakes) == 99)  # One more fits, so the first server waits for it.
            for _ in range(160):
                await dawdling.enter_async_context(raw_peer(second, upgrade=False))
            with trio.fail_after(
                8
            ):  # Two rounds of 2 s; if the first server's stayed, five (of ACCEPT_BURST).
                async with raw_peer(second) as peer:
                    await peer.send(text("in"))
                    assert await peer.read(4) == plain(0x81, b"in")
            nursery.cancel_scope.cancel()
    assert (stats.open, len(handshakes)) == (0, 0)
