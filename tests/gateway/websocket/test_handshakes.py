"""Slow handshakes are cut off to make room for waiting connections, even for those of another server that
shares the limit.
"""

from contextlib import AsyncExitStack
from functools import partial

import trio
from trio.testing import MockClock

from gateway.websocket.handshakes import ROOM_S, SPARED_S, Handshakes
from gateway.websocket.limits import Limits
from gateway.websocket.listeners import open_listeners
from gateway.websocket.server import Server, serve
from gateway.websocket.stats import Stats
from tests.gateway.websocket.echo_server import Echo, patience, raw_peer, serving, settle, until
from tests.support.websocket_frames import REQUEST, plain, text


async def _count_rounds(server: Server, clock: MockClock) -> int:
    """Count the rounds in which the servers end slow handshakes before one more peer is served."""
    rounds = 0
    async with raw_peer(server, upgrade=False) as peer, trio.open_nursery() as nursery:
        await peer.send(REQUEST + text("in"))
        nursery.start_soon(peer.read_head)
        await settle()
        while nursery.child_tasks:
            rounds += 1
            clock.jump(SPARED_S + ROOM_S)
            await settle()
            clock.jump(ROOM_S)  # After each round, the server waits this long before the next.
            await settle()
        assert await peer.read(4) == plain(0x81, b"in")
    return rounds


async def test_slow_handshakes_are_cut_off_to_make_room_for_connections_that_wait(
    mock_clock: MockClock,
) -> None:
    async with serving(Echo(), limits=Limits(handshakes_in_flight=5)) as server:
        slow = [await trio.open_tcp_stream("127.0.0.1", server.ports[0]) for _ in range(8)]
        assert await _count_rounds(server, mock_clock) == 1
        assert server.stats.handshake_failures["slow_while_others_waited"] >= 5
        for stream in slow:
            await stream.aclose()
        await until(lambda: not server.stats.open)


async def test_slow_handshakes_at_one_port_do_not_block_another_port(mock_clock: MockClock) -> None:
    """Two servers share the limit, like the plain port and the TLS port of a gateway."""
    limits, stats, handshakes = Limits(handshakes_in_flight=100, http_upgrade_s=30), Stats(), Handshakes()
    async with patience(), trio.open_nursery() as nursery, AsyncExitStack() as slow:
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
            await slow.enter_async_context(raw_peer(first, upgrade=False))
        await until(lambda: len(handshakes) == 99)  # Only one more handshake fits within the limit of 100.
        for _ in range(160):
            await slow.enter_async_context(raw_peer(second, upgrade=False))
        # One round would mean that the limits are separate. Five rounds would mean that the first server
        # ended no handshakes.
        assert await _count_rounds(second, mock_clock) == 2
        nursery.cancel_scope.cancel()
    assert (stats.open, len(handshakes)) == (0, 0)
