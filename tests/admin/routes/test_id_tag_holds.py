"""An operator sees and releases the places that transactions take of an id tag."""

from state import transactions
from state.transactions import Limit, Started
from tests.admin.api import TENANT, Api
from tests.admin.fake_session import FakeSession, connected
from tests.admin.problem import is_problem
from tests.support.transactions import ANSWER, a_start

BASE = f"/v1/tenants/{TENANT}"
HOLDS = f"{BASE}/id-tags/TAG/holds"
REFUSED = b'{"status":"ConcurrentTx"}'


async def begin(api: Api, session: FakeSession, meter: int) -> Started:
    outcome = await transactions.start(
        api.store, session.lease, a_start(meter_start=meter), ANSWER, limit=Limit(1, REFUSED)
    )
    assert isinstance(outcome, Started)
    return outcome


async def test_a_hold_is_shown_with_its_transaction_and_released_so_that_the_driver_may_charge(
    api: Api,
) -> None:
    is_problem(await api.client.get(HOLDS), 404, "not-found")
    await api.client.put(f"{BASE}/id-tags/Tag", json={"max_active_transactions": 1})
    assert (await api.client.get(HOLDS)).json() == {"items": [], "next": None}
    async with connected(api.store, TENANT, "CP.1") as session:
        first = await begin(api, session, 1)
        assert (await begin(api, session, 2)).answer == REFUSED
        [hold] = await api.read_all(HOLDS)
        assert (hold["charge_point"], hold["transaction"]) == ("CP.1", f"CP.1.{first.id}")
        assert hold["id"].startswith("CP.1.")
        assert hold["expires_at"].endswith("Z")
        assert (await api.client.delete(f"{HOLDS}/{hold['id']}")).status_code == 204
        is_problem(await api.client.delete(f"{HOLDS}/{hold['id']}"), 404, "not-found")
        assert await api.read_all(HOLDS) == []
        assert (await begin(api, session, 3)).answer == ANSWER
        found = await api.client.get(f"{BASE}/transactions/CP.1.{first.id}")
        assert found.json()["state"] == "open"


async def test_the_holds_of_a_deleted_tag_and_of_a_deleted_charge_point_can_be_seen_and_released(
    api: Api,
) -> None:
    await api.client.put(f"{BASE}/id-tags/Tag", json={"max_active_transactions": 1})
    async with connected(api.store, TENANT, "CP/1") as session:
        await begin(api, session, 1)
        await api.store.execute("DEL", session.lease.keys.starts)
        await api.client.delete(f"{BASE}/id-tags/Tag")
        [hold] = await api.read_all(HOLDS)
        assert (hold["charge_point"], hold["transaction"]) == ("CP/1", None)
        name = hold["id"].replace("/", "%2F")
        assert (await api.client.delete(f"{HOLDS}/{name}")).status_code == 204
        is_problem(await api.client.get(HOLDS), 404, "not-found")
