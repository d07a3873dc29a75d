"""What a charge point still gets while the store is nearly full."""

import trio

from state import transactions
from state.store import Store
from tests.support.charge_point_peer import charge_point, now
from tests.support.headroom import pretend
from tests.support.inner_gateway import inner_gateway


async def test_a_full_store_takes_no_new_start_but_answers_repeated_starts_and_takes_all_that_ends(
    store: Store, redis_url: str
) -> None:
    with trio.fail_after(60):
        async with (
            inner_gateway(store, redis_url) as gateway,
            charge_point(f"{gateway.url}/CP-1") as cp,
        ):
            await cp.call("BootNotification", {"chargePointVendor": "A", "chargePointModel": "B"})
            at = now()
            begun = await cp.start(timestamp=at)
            await pretend(store, "full")
            new = {"connectorId": 2, "idTag": "TAG", "meterStart": 7, "timestamp": at}
            assert (await cp.exchange("StartTransaction", new))[:3] == [4, "m3", "InternalError"]
            assert gateway.node.telemetry.refused_calls == {"StartTransaction": 1}
            assert await cp.start(timestamp=at) == begun
            id_ = begun["transactionId"]
            sampled = {"timestamp": at, "sampledValue": [{"value": "5"}]}
            values = {"connectorId": 1, "transactionId": id_, "meterValue": [sampled]}
            assert await cp.call("MeterValues", values) == {}
            await cp.stop(id_)
            found = await transactions.get(store, "t", f"CP-1.{id_}")
            assert found is not None
            assert found.stopped_ms is not None
            await pretend(store, "scarce")
            assert (await cp.exchange("StartTransaction", new))[0] == 3
