"""Whom a gateway admits while the store is nearly full: gateway/admission/handshake.py."""

import trio

from state import charge_points
from state.store import Store
from tests.support.charge_point_peer import charge_point
from tests.support.headroom import pretend
from tests.support.inner_gateway import inner_gateway
from tests.support.raw_upgrade import upgrade


async def test_a_store_with_little_room_registers_no_new_charge_point_but_admits_registered_ones(
    store: Store, redis_url: str
) -> None:
    with trio.fail_after(60):
        async with inner_gateway(store, redis_url) as gateway:
            async with charge_point(f"{gateway.url}/OLD"):
                await pretend(store, "scarce")
            answer = await trio.to_thread.run_sync(upgrade, f"{gateway.url}/NEW")
            assert (answer.status, answer.headers["retry-after"]) == (503, "10")
            assert "no room" in answer.body
            assert gateway.node.telemetry.refusals == {"store_scarce": 1}
            assert await charge_points.get(store, "t", "NEW") is None
            async with charge_point(f"{gateway.url}/OLD"):
                pass
            await pretend(store, "low")
            async with charge_point(f"{gateway.url}/NEW"):
                pass
