"""How a gateway behaves with an occupied port, an unreadable inbox message, and a slow store."""

import socket

import trio

from state import keys
from state.nodes import nodes
from state.store import StoreConfig, open_store
from tests.support.charge_point_peer import charge_point
from tests.support.fault_proxy import fault_proxy
from tests.support.pace import Pace
from tests.support.waiting import GENEROUS_S
from tests.system.central import Central


async def test_the_gateway_ends_with_one_clear_error_line_if_the_port_for_health_probes_is_occupied(
    central: Central,
) -> None:
    log = central.directory / "gateways.log"
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        before = log.stat().st_size if log.exists() else 0
        gateway = central.start_gateway(listen__health_port=port)
        try:
            assert await trio.to_thread.run_sync(gateway.child.wait, GENEROUS_S) == 1
        finally:
            gateway.stop()
    # The other gateways of this module log to the same place, as JSON.
    said = [line for line in log.read_bytes()[before:].decode().splitlines() if not line.startswith("{")]
    wanted = (
        f"csms gateway: cannot listen for probes on 127.0.0.1:{port}: Address already in use; "
        "choose another port with listen.health_port"
    )
    assert said == [wanted]


async def test_an_unreadable_inbox_message_is_skipped(central: Central) -> None:
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            central.gateway() as gateway,
            open_store(StoreConfig(url=central.valkey.url)) as store,
            charge_point(tenant.url(gateway, "cp")) as cp,
        ):
            mine = [one.incarnation for one in await nodes.list_nodes(store) if one.kind == "gateway"]
            for text in (b"[1]", b"no JSON", b"\xff", b"{}", b'{"kind":5}'):
                for incarnation in mine:
                    await store.execute("XADD", keys.inbox(incarnation), "*", "m", text)
            async with tenant.api() as api:
                assert (await api.post("/charge-points/cp/disconnect")).status_code == 202
            assert await cp.wait_closed() == (1000, "peer")
            assert gateway.child.poll() is None


async def test_the_close_of_a_session_waits_only_for_the_call_that_is_being_handled(
    central: Central, pace: Pace
) -> None:
    """The store is slow, and many calls of the charge point have not been handled yet."""
    tenant = central.tenant()
    with trio.fail_after(120):
        async with (
            fault_proxy(central.valkey.path) as proxy,
            central.gateway(store_url=f"redis://127.0.0.1:{proxy.port}") as gateway,
            charge_point(tenant.url(gateway, "cp")) as cp,
            tenant.api() as api,
        ):
            proxy.replies.delay_s = 0.5
            async with trio.open_nursery() as nursery:
                for number in range(20):
                    nursery.start_soon(cp.send, [2, f"a{number}", "Authorize", {"idTag": "TAG"}])
            assert (await api.post("/charge-points/cp/disconnect")).status_code == 202
            with pace.within(3):
                assert (await cp.wait_closed())[0] == 1000
