"""What frees memory, or lets a charge point end its work, succeeds on a full store.

A server whose `maxmemory` is reached refuses a step whose first write may take memory. So the first write of
these steps takes none. Steps: state/transactions/stop.lua, state/transactions/end.lua,
state/transactions/forget.lua, state/charge_points/delete.lua, state/charge_points/bury.lua,
state/nodes/release.lua, state/nodes/reap.lua, state/nodes/broadcast.lua. Packing and duties have such a test
of their own.
"""

import pytest

from state import holds
from state.charge_points import charge_points
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.nodes import inbox, leases, nodes
from state.nodes.inbox import TokenRevoked
from state.nodes.nodes import NodeRecord
from state.record import Settings
from state.store import Store
from state.tenants import tenants
from state.transactions import (
    Limit,
    Stopped,
    StopReplayed,
    find_start,
    forgetting,
    meter_values,
    purging,
    start,
    stop,
)
from state.transactions.ending import End, end
from state.transactions.listing import get
from tests.support import leases as claiming
from tests.support.full_store import full
from tests.support.transactions import ANSWER, a_start, a_stop, begin, charging, claimed, fill, send

KEYS = ChargePointKeys("demo", "CP.1")
END = End(ended_ms=2, time_source="given", meter=1, meter_source="given", received_ms=2, api_key="key")
GATEWAY = NodeRecord(kind="gateway", host="one", pid=11, started_ms=1)
DATA = b'[{"timestamp":"2026-01-01T01:00:00Z","sampledValue":[{"value":"9"}]}]'


async def test_a_full_store_refuses_new_facts(store: Store) -> None:
    lease = await claimed(store)
    id_ = await begin(store, lease)
    async with full(store):
        with pytest.raises(StoreUnavailable, match="OOM"):
            await start(store, lease, a_start(timestamp="2026-01-02T00:00:00Z"), ANSWER)
        with pytest.raises(StoreUnavailable, match="OOM"):
            await send(store, lease, id_, charging(1))


async def test_a_transaction_is_stopped_on_a_full_store_with_its_data_and_its_hold_is_released(
    store: Store,
) -> None:
    lease = await claimed(store)
    fact = a_start()
    id_ = (await start(store, lease, fact, ANSWER, limit=Limit(1, b"{}"))).id
    async with full(store):
        outcome = await stop(store, lease, a_stop(id_, data=DATA), ANSWER)
        assert isinstance(outcome, Stopped)
        assert outcome.hold is not None
        assert await holds.release(store, lease.keys, *outcome.hold)
        assert isinstance(await stop(store, lease, a_stop(id_, data=DATA), ANSWER), StopReplayed)
    assert await holds.hold(store, lease.keys, fact.id_tag, "another", 1)
    found = await get(store, "demo", f"CP.1.{id_}")
    assert found is not None
    assert found.state == "stopped"
    assert [one.payload for one in (await meter_values.read_page(store, "demo", "CP.1", id_)).items] == [DATA]


async def test_a_transaction_is_stopped_on_a_full_store_by_a_session_that_takes_its_lease_back(
    store: Store,
) -> None:
    taken = await claiming.claimed(store, "node/1", KEYS)
    id_ = await begin(store, taken.lease)
    assert await leases.reap(store, "node") == 1
    async with full(store):
        outcome = await stop(store, taken.lease, a_stop(id_), ANSWER)
    assert outcome.fence == "ok"


async def test_an_operator_ends_a_transaction_on_a_full_store(store: Store) -> None:
    lease = await claimed(store)
    id_ = await begin(store, lease)
    found = await get(store, "demo", f"CP.1.{id_}")
    assert found is not None
    async with full(store):
        assert await end(store, "demo", found, END, force=True) == "ended"
    present = await find_start(store, lease, a_start(timestamp="2026-01-02T00:00:00Z"))
    assert getattr(present, "running", "none") is None


@pytest.mark.parametrize("online", [True, False])
async def test_a_charge_point_with_its_transactions_is_purged_on_a_full_store(
    store: Store, *, online: bool
) -> None:
    await charge_points.put(store, "demo", "CP.1", Settings())
    taken = await claiming.claimed(store, "node/1", KEYS)
    id_ = await begin(store, taken.lease)
    await fill(store, taken.lease, id_, charging(100))
    await stop(store, taken.lease, a_stop(id_), ANSWER)
    if not online:
        await leases.release_if_holder(store, KEYS, "node/1", "closed")
    async with full(store):
        assert await charge_points.delete(store, "demo", "CP.1", purge=True) is True
    left = [key.decode() for key in await store.execute("KEYS", f"*{KEYS.member}*")]
    assert left == [KEYS.lease]


async def test_a_charge_point_is_deleted_on_a_full_store_and_its_tenant_is_purged(store: Store) -> None:
    await tenants.put(store, "demo", name="", auto_register=False)
    await charge_points.put(store, "demo", "CP.1", Settings())
    taken = await claiming.claimed(store, "node/1", KEYS)
    id_ = await begin(store, taken.lease)
    await fill(store, taken.lease, id_, charging(100))
    await stop(store, taken.lease, a_stop(id_), ANSWER)
    async with full(store):
        assert await charge_points.delete(store, "demo", "CP.1") is True
        found = await get(store, "demo", f"CP.1.{id_}")
        assert await tenants.delete(store, "demo") == "has_transactions"
        assert await purging.purge(store, "demo") is None
        assert await tenants.delete(store, "demo") == "deleted"
    assert found is not None
    assert [
        key for key in await store.execute("KEYS", "*") if b"transaction" in key or b":values" in key
    ] == []


async def test_a_transaction_is_forgotten_on_a_full_store(store: Store) -> None:
    lease = await claimed(store)
    id_ = await begin(store, lease)
    await fill(store, lease, id_, charging(100))
    await stop(store, lease, a_stop(id_), ANSWER)
    async with full(store):
        assert await forgetting.forget(store, "demo", "CP.1", id_)
    assert await store.execute("EXISTS", *KEYS.of_transaction(id_)) == 0


async def test_a_lease_is_released_and_another_is_reaped_on_a_full_store(store: Store) -> None:
    await claiming.claimed(store, "one/1", KEYS)
    await claiming.claimed(store, "two/1", ChargePointKeys("demo", "CP.2"))
    async with full(store):
        assert await leases.release_if_holder(store, KEYS, "one/1", "closed")
        assert await leases.reap(store, "two") == 1
    found = await leases.list_holdings(store, [KEYS, ChargePointKeys("demo", "CP.2")])
    assert [one is not None and one.online for one in found] == [False, False]


async def test_what_was_revoked_reaches_the_nodes_on_a_full_store(store: Store) -> None:
    await nodes.beat(store, "a", GATEWAY)
    async with full(store):
        await inbox.broadcast(store, TokenRevoked("t", "id"))
    assert [message for _, message in await inbox.read(store, "a", "0", 1)] == [TokenRevoked("t", "id")]
