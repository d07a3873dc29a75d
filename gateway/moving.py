"""Move sessions to other gateways, because an operator asks for it through the admin API.

A drain closes all sessions. The gateway then stays alive and empty: it is not ready, and refuses handshakes
with 503, until the operator cancels the drain or the process gets SIGTERM. Shedding closes a share of the
sessions, and the gateway goes on to accept sessions. A charge point that was shed may therefore come back to
the same gateway. Where it connects is the choice of the load balancer, of DNS or of the kernel.

A newer order replaces the present one, but a node that drains ignores an order to shed. After SIGTERM,
`drain.py` closes the sessions, and orders count no more.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from math import ceil
from typing import assert_never

import structlog
import trio

from gateway.drain import close_evenly, idle_first
from gateway.hub import Hub
from gateway.node import Node
from gateway.websocket.close_codes import Close
from state.nodes.inbox import Drain, DrainCancelled, Shed, ToGateway

log = structlog.get_logger()

LOOK_S = 1.0


def obey(node: Node, hub: Hub, order: ToGateway) -> None:
    """Begin to do what an operator ordered, and go on in the background.

    This function does not wait, because orders that are read together must count in their sequence.
    """
    if node.stopping or (node.draining and isinstance(order, Shed)):
        return
    if node.moving is not None:
        node.moving.cancel()
        node.moving = None
    match order:
        case Drain():
            node.draining = True
            _begin(node, _drain, hub, _window_s(node, order.window_s))
        case DrainCancelled():
            if node.draining:
                node.draining = False
                log.info("drain.cancelled", sessions=len(hub))
        case Shed():
            _begin(node, _shed, hub, order.percent, _window_s(node, order.window_s))
        case _:
            assert_never(order)


def _begin[*Args](node: Node, work: Callable[[*Args], Awaitable[None]], *args: *Args) -> None:
    scope = node.moving = trio.CancelScope()
    node.background(_move, node, scope, partial(work, *args))


async def _move(node: Node, scope: trio.CancelScope, work: Callable[[], Awaitable[None]]) -> None:
    with scope:
        await work()
    if node.moving is scope:
        node.moving = None


async def _drain(hub: Hub, window_s: float) -> None:
    links = idle_first(hub)
    log.info("drain.started", by="operator", sessions=len(links), window_s=window_s)
    began = trio.current_time()
    await close_evenly(links, window_s, Close.MOVED)
    # Handshakes that began before the drain may still become sessions.
    emptied = False
    while True:
        for session in hub:
            if not session.link.is_closing:
                session.link.close_soon(Close.MOVED)
        if not emptied and not len(hub):
            emptied = True
            log.info("drain.finished", took_s=round(trio.current_time() - began, 1))
        await trio.sleep(LOOK_S)


async def _shed(hub: Hub, percent: float, window_s: float) -> None:
    links = idle_first(hub)
    chosen = links[: ceil(len(links) * percent / 100)]
    log.info("shed.started", sessions=len(chosen), of=len(links), window_s=window_s)
    await close_evenly(chosen, window_s, Close.MOVED)
    log.info("shed.finished", sessions=len(hub))


def _window_s(node: Node, asked: float | None) -> float:
    return node.config.drain.window_s if asked is None else asked
