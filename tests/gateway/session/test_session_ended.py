"""An ended session is freed at once, because the garbage collector visits old objects only once in several
days.
"""

import gc
import weakref

import trio
from trio_websocket import WebSocketConnection

from gateway.session.session import Session
from state.store import Store
from tests.support.charge_point_peer import charge_point
from tests.support.inner_gateway import inner_gateway
from tests.support.waiting import until

SESSIONS = 5


async def test_a_session_that_has_ended_and_its_connection_are_freed_without_the_garbage_collector(
    store: Store, redis_url: str
) -> None:
    seen: list[weakref.ref[Session | WebSocketConnection]] = []

    def gone() -> bool:
        return not any(reference() is not None for reference in seen)

    with trio.fail_after(60):
        async with inner_gateway(store, redis_url) as gateway:
            gc.disable()
            try:
                for number in range(SESSIONS):
                    async with charge_point(f"{gateway.url}/cp{number}") as cp:
                        await cp.call("Heartbeat", {})
                        seen += [weakref.ref(session) for session in gateway.hub]
                        readers = [session.link.connection._reader for session in gateway.hub]
                        seen += [weakref.ref(reader.resume(1_000)) for reader in readers]
                assert len(seen) >= 2 * SESSIONS
                await until(gone)
            finally:
                gc.enable()
