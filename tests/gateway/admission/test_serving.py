"""What handshakes leave behind while the store refuses writes: gateway/admission/serving.py."""

import trio

from state.store import StoreConfig, open_store
from tests.support.charge_point_peer import charge_point
from tests.support.inner_gateway import inner_gateway
from tests.support.raw_upgrade import upgrade
from tests.support.valkey_server import ValkeyServer
from tests.support.waiting import until


async def test_handshakes_that_the_store_refuses_leave_no_work_behind(private_valkey: ValkeyServer) -> None:
    """Charge points repeat their handshakes for as long as the store refuses, so memory would grow."""
    with trio.fail_after(60):
        async with (
            open_store(StoreConfig(url=private_valkey.url)) as store,
            inner_gateway(store, private_valkey.url) as gateway,
        ):
            async with charge_point(f"{gateway.url}/CP"):
                pass
            await until(lambda: not len(gateway.hub))
            await gateway.node.wait_until_seen_through()
            private_valkey.ask(b"CONFIG SET min-replicas-to-write 1")
            answer = await trio.to_thread.run_sync(upgrade, f"{gateway.url}/CP")
            assert answer.status == 503
            with trio.fail_after(20):
                await gateway.node.wait_until_seen_through()
            private_valkey.ask(b"CONFIG SET min-replicas-to-write 0")
            async with charge_point(f"{gateway.url}/CP"):
                pass
