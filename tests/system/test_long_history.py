"""Others wait little while somebody reads the meter values of a very long transaction."""

import re
import time

import httpx
import pytest
import trio

from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.store import StoreConfig, open_store
from state.transactions import packing, stop
from tests.support.pace import Pace
from tests.support.transactions import ANSWER, a_stop, begin, charging, claimed, fill
from tests.system.central import Central, Tenant

MANY = 100_000
NEXT = re.compile(rb'"next":"([^"]+)"\}$')


async def read_pages(api: httpx.AsyncClient, path: str, count: int) -> int:
    """Read pages without decoding them, and return how many bytes they have."""
    size, query = 0, ""
    for _ in range(count):
        response = await api.get(f"{path}?{query}")
        assert response.status_code == 200, response.text
        size += len(response.content)
        found = NEXT.search(response.content)
        assert found is not None
        query = f"cursor={found[1].decode()}"
    return size


async def longest_wait(tenant: Tenant, path: str) -> float:
    """Return how long another request waits at most while pages of the meter values are read."""
    longest = 0.0

    async def look(api: httpx.AsyncClient) -> None:
        nonlocal longest
        while True:
            began = time.monotonic()
            assert (await api.get("/transactions", params={"limit": 1})).status_code == 200
            longest = max(longest, time.monotonic() - began)
            await trio.sleep(0.01)

    async with tenant.api() as api, tenant.api() as other, trio.open_nursery() as nursery:
        nursery.start_soon(look, other)
        assert await read_pages(api, path, 10) > 8_000_000
        nursery.cancel_scope.cancel()
    return longest


@pytest.mark.slow
async def test_another_request_waits_at_most_50_ms_while_100000_messages_are_read(
    central: Central, pace: Pace
) -> None:
    tenant = central.tenant()
    keys = ChargePointKeys(tenant.id, "long")
    waits = []
    async with open_store(StoreConfig(url=central.valkey.url)) as store:
        lease: Lease = await claimed(store, "long", tenant=tenant.id)
        id_ = await begin(store, lease)
        await fill(store, lease, id_, charging(MANY))
        path = f"/transactions/long.{id_}/meter-values"
        waits.append(await longest_wait(tenant, path))
        await stop(store, lease, a_stop(id_), ANSWER)
        await packing.pack_due(store, keys.partition, 2**50, 1)
        assert await store.execute("EXISTS", keys.values(id_)) == 0
        waits.append(await longest_wait(tenant, path))
    assert not pace.judged or max(waits) < 0.05, f"another request waited {waits} s"
