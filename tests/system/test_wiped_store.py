"""The store loses all data while charge points are connected.

Sessions go on, and starts and stops are stored.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from state import charge_points, transactions
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.nodes import leases
from state.store import StoreConfig, open_store
from state.tenants import tenants
from tests.support.charge_point_peer import charge_point
from tests.support.fault_proxy import fault_proxy
from tests.support.waiting import until
from tests.system.central import Central, central_system


@pytest.fixture
def doomed() -> Iterator[Central]:
    directory = Path(tempfile.mkdtemp(prefix="csms-wipe-"))
    try:
        with central_system(directory) as found:
            yield found
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.slow  # A node audits its leases every 10 s.
async def test_sessions_go_on_after_the_store_is_wiped(doomed: Central) -> None:
    tenant = doomed.tenant()
    with trio.fail_after(120):
        async with (
            open_store(StoreConfig(url=doomed.valkey.url)) as store,
            doomed.gateway() as gateway,
            charge_point(tenant.url(gateway, "talks")) as talks,
            charge_point(tenant.url(gateway, "silent")) as silent,
        ):
            before = (await talks.start(meter=1))["transactionId"]
            doomed.valkey.flush()
            boot = {"chargePointVendor": "v", "chargePointModel": "m"}
            assert (await talks.call("BootNotification", boot))["status"] == "Accepted"
            status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
            assert await talks.call("StatusNotification", status) == {}
            assert await talks.stop(before) == {}  # The stop is an orphan now, but it is still stored.
            after = (await talks.start(meter=2))["transactionId"]
            assert after > before
            found = await transactions.list_(
                store, tenant.id, charge_point="talks", open_=None, since_ms=None, cursor=None, limit=10
            )
            assert [one.id for one in found.items] == [after]
            record = await charge_points.get(store, tenant.id, "talks")
            assert record is not None
            assert record.boot_status == "Accepted"

            async def audited() -> bool:
                holding = await leases.get_holding(store, tenant.id, "silent")
                return holding is not None and holding.online

            await until(audited)
            await trio.sleep(11)  # Wait for another audit, which does not find the sessions' token.
            await silent.call("Heartbeat", {})
            assert (talks.closed, silent.closed) == (None, None)


async def test_a_pending_charge_point_stays_pending_after_a_wipe_of_the_store(doomed: Central) -> None:
    """The store has lost the registration policy, but the session still knows the policy."""
    tenant = doomed.tenant()
    boot = {"chargePointVendor": "v", "chargePointModel": "m"}
    with trio.fail_after(120):
        async with tenant.api() as api, doomed.gateway() as gateway:
            assert (await api.put("/charge-points/cp", json={"registration": "Pending"})).status_code == 201
            async with charge_point(tenant.url(gateway, "cp")) as cp:
                assert (await cp.call("BootNotification", boot))["status"] == "Pending"
                doomed.valkey.flush()
                assert (await cp.call("BootNotification", boot))["status"] == "Pending"
                assert (await cp.exchange("Heartbeat", {}))[2] == "SecurityError"


@pytest.mark.slow  # A gateway looks for tokens and leases every 10 s.
async def test_sessions_stay_when_an_operator_creates_the_tenant_of_a_wiped_store_again(
    doomed: Central,
) -> None:
    tenant = doomed.tenant()
    with trio.fail_after(120):
        async with (
            open_store(StoreConfig(url=doomed.valkey.url)) as store,
            doomed.gateway() as gateway,
            charge_point(tenant.url(gateway, "cp")) as cp,
        ):
            await cp.call("Heartbeat", {})
            doomed.valkey.flush()
            await tenants.put(store, tenant.id, name="again", auto_register=True)
            await trio.sleep(25)
            await cp.call("Heartbeat", {})
            assert cp.closed is None


async def test_no_charge_point_stays_online_that_left_while_leases_were_taken_again_after_a_wipe(
    doomed: Central,
) -> None:
    tenant = doomed.tenant()
    all_ = [ChargePointKeys(tenant.id, f"cp-{number}") for number in range(200)]
    with trio.fail_after(120):
        async with (
            open_store(StoreConfig(url=doomed.valkey.url)) as store,
            fault_proxy(doomed.valkey.path) as proxy,
            doomed.gateway(store_url=f"redis://127.0.0.1:{proxy.port}") as gateway,
        ):

            async def count_online() -> int:
                return sum(bool(one and one.online) for one in await leases.list_holdings(store, all_))

            async def connect_until_cancelled(number: int, connected: list[int]) -> None:
                async with charge_point(tenant.url(gateway, f"cp-{number}")) as peer:
                    connected.append(number)
                    await peer.ended.wait()

            async def has_begun() -> bool:
                with suppress(StoreUnavailable):
                    return await count_online() >= 50
                return False

            async def has_none() -> bool:
                return await count_online() == 0

            async with trio.open_nursery() as nursery:
                connected: list[int] = []
                for number in range(len(all_)):
                    nursery.start_soon(connect_until_cancelled, number, connected)
                await until(lambda: len(connected) == len(all_))
                # After a restart of the store, the gateway checks a hundred leases in a row, and takes fifty
                # at a time again. So half of them wait when the charge points leave.
                proxy.replies.delay_s = 0.3
                doomed.valkey.kill()
                shutil.rmtree(doomed.valkey.directory / "appendonlydir")
                doomed.valkey.start()
                await until(has_begun, every_s=0.005)
                nursery.cancel_scope.cancel()
            await trio.sleep(3)  # Leases that are still being taken now must be released too.
            await until(has_none)
