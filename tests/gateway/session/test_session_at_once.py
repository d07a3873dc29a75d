"""Calls that a session answers at once, without waking its task (session/session.py)."""

import pytest
import trio

from gateway.websocket.close_codes import Close, ConnectionClosed
from gateway.websocket.connection import Connection
from state.store import Store
from tests.support.charge_point_peer import charge_point
from tests.support.inner_gateway import inner_gateway


async def test_a_peer_that_leaves_before_it_took_the_whole_answer_does_not_crash_its_session(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lose_the_peer() -> None:
        await trio.lowlevel.checkpoint()
        raise ConnectionClosed(Close.BROKEN.record("lost", "reset"))

    with trio.fail_after(60):
        async with inner_gateway(store, redis_url) as gateway, charge_point(f"{gateway.url}/cp") as cp:
            await cp.call("BootNotification", {"chargePointVendor": "v", "chargePointModel": "m"})
            (session,) = gateway.hub
            monkeypatch.setattr(Connection, "send_now", lambda *_: lose_the_peer())
            left = session._receive(b'[2,"2","Heartbeat",{}]')
            assert left is not None
            await left
