"""What the API accepts while the store is nearly full."""

import trio

from tests.admin.api import TENANT, Api
from tests.admin.problem import is_problem
from tests.support.headroom import pretend

BASE = f"/v1/tenants/{TENANT}/charge-points"


async def test_a_store_with_little_room_takes_no_new_charge_point_and_no_trace_but_changes_and_deletions(
    api: Api,
) -> None:
    with trio.fail_after(60):
        assert (await api.client.put(f"{BASE}/CP-1", json={})).status_code == 201
        await pretend(api.store, "scarce")
        refused = await api.client.put(f"{BASE}/CP-2", json={})
        is_problem(refused, 507, "store-full")
        assert "95 of 100 MiB of its disk are used" in refused.json()["detail"]
        is_problem(await api.client.put(f"{BASE}/CP-1/trace", json={}), 507, "store-full")
        assert (await api.client.put(f"{BASE}/CP-1", json={"strict": True})).status_code == 200
        assert (await api.client.delete(f"{BASE}/CP-1")).status_code == 204
