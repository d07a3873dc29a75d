"""Nothing of an ended session waits for the garbage collector, which looks at old objects once in days."""

import gc
import weakref
from functools import partial

import msgspec
import trio
from trio_websocket import WebSocketConnection

from gateway.admission import handshake
from gateway.config import GatewayConfig
from gateway.node import Node
from gateway.session.session import Session
from gateway.websocket.listeners import open_listeners
from gateway.websocket.server import serve
from state.store import Store
from state.tenants import tenants, tokens
from tests.system.peer import charge_point, until

PEPPER = "pepper" * 8
SESSIONS = 5


async def test_an_ended_session_is_gone_with_its_connection(store: Store, redis_url: str) -> None:
    given = {"store": {"url": redis_url}, "security": {"pepper": PEPPER}}
    await tenants.put(store, "t", name="t", auto_register=True)
    token = await tokens.create(store, PEPPER.encode(), "t")
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            node = Node(msgspec.convert(given, GatewayConfig), store, PEPPER.encode(), nursery)
            [listener] = open_listeners("127.0.0.1", 0)
            url = f"ws://127.0.0.1:{listener.getsockname()[1]}/OCPP16/t/{token.secret}"
            await nursery.start(partial(serve, [listener], handle=partial(handshake.handle, node)))
            seen: list[weakref.ref[Session | WebSocketConnection]] = []
            gc.disable()
            try:
                for number in range(SESSIONS):
                    async with charge_point(f"{url}/cp{number}") as cp:
                        await cp.call("Heartbeat", {})
                        for session in node.hub:
                            seen += [weakref.ref(session), weakref.ref(session.connection._reader.websocket)]
                        del session

                async def gone() -> bool:
                    return not any(reference() is not None for reference in seen)

                assert len(seen) >= 2 * SESSIONS
                await until(gone, 5)
            finally:
                gc.enable()
            nursery.cancel_scope.cancel()
