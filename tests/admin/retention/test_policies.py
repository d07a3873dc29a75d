"""Transactions are ended by the policies of their tenants, some in each turn."""

from typing import Any

import pytest

from admin.retention import policies
from admin.retention.policies import Policies
from state import keys
from state.charge_points import connectors
from state.charge_points.connectors import Connector
from state.nodes.leases import Lease
from state.store import Store
from state.tenants import tenants
from state.transactions import Transaction, get, meter_values, unended
from tests.support.transactions import a_start, begin, claimed, events

DAY_MS = unended.DAY_MS


async def allow(store: Store, tenant: str = "demo", **policy: Any) -> None:
    await tenants.put(store, tenant, name="", auto_register=False, **policy)


async def find(store: Store, id_: int, name: str = "CP.1") -> Transaction:
    found = await get(store, "demo", f"{name}.{id_}")
    assert found is not None
    return found


async def supersede(store: Store, lease: Lease, *, ago_ms: int = unended.SUPERSEDED_MS) -> tuple[int, int]:
    """Begin a transaction and, some time ago, another one on the same connector."""
    first = await begin(store, lease)
    second = await begin(store, lease, a_start(timestamp="2026-01-01T05:00:00Z"))
    at_ms = store.server_time_ms() - ago_ms
    await store.execute("HSET", lease.keys.transaction(first), "superseded_ms", at_ms)
    return first, second


async def grow(store: Store, lease: Lease, id_: int, days: float) -> None:
    """Make a transaction as old as so many days."""
    at_ms = store.server_time_ms() - int(days * DAY_MS) - 1
    await store.execute("HSET", lease.keys.transaction(id_), "received_ms", at_ms)


async def test_a_superseded_transaction_is_ended_with_its_last_reading_and_the_policy_is_shown(
    store: Store,
) -> None:
    await allow(store, end_superseded=True)
    lease = await claimed(store)
    first, second = await supersede(store, lease)
    payload = b'[{"timestamp":"2026-01-01T01:00:00Z","sampledValue":[{"value":"170"}]}]'
    await meter_values.append(
        store, lease, connector_id=1, transaction_id=str(first), payload=payload, received_ms=1
    )
    task = Policies(store, "a")
    await task.turn()
    ended, running = await find(store, first), await find(store, second)
    assert (ended.state, ended.ended_policy, ended.ended_by) == ("ended", "superseded", None)
    assert (ended.energy_wh, ended.ended_source, ended.superseded_by) == (70, "meter_values", second)
    assert (running.state, running.superseded_by, task.ended) == ("open", None, 1)
    kind, data = (await events(store, lease))[-1]
    assert kind == "transaction.ended"
    assert (data["api_key"], data["policy"]) == (None, "superseded")


async def test_a_superseded_transaction_is_not_ended_at_once(store: Store) -> None:
    await allow(store, end_superseded=True)
    first, _ = await supersede(store, await claimed(store), ago_ms=unended.SUPERSEDED_MS // 2)
    await Policies(store, "a").turn()
    assert (await find(store, first)).state == "open"


async def test_a_transaction_is_ended_when_it_is_as_old_as_the_policy_says(store: Store) -> None:
    await allow(store, end_after_days=7)
    lease = await claimed(store)
    young = await begin(store, lease)
    old = await begin(store, lease, a_start(connector_id=2))
    await grow(store, lease, young, 6.5)
    await grow(store, lease, old, 7)
    await Policies(store, "a").turn()
    assert (await find(store, young)).state == "open"
    ended = await find(store, old)
    assert (ended.state, ended.ended_policy, ended.energy_wh) == ("ended", "age", None)


async def test_without_a_policy_nothing_is_ended_and_a_policy_that_was_turned_off_ends_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await allow(store)
    lease = await claimed(store)
    first, _ = await supersede(store, lease)
    await grow(store, lease, first, 5000)
    task = Policies(store, "a")
    await task.turn()
    assert (await find(store, first)).state == "open"
    await allow(store, end_superseded=True, end_after_days=1)
    monkeypatch.setattr(policies, "LOOKED_AT", 0)
    await task.turn()
    monkeypatch.undo()
    await allow(store)
    await task.turn()
    assert (await find(store, first)).state == "open"


async def test_a_transaction_that_still_charges_is_not_ended_for_its_age(store: Store) -> None:
    await allow(store, end_after_days=1)
    lease = await claimed(store)
    id_ = await begin(store, lease)
    await grow(store, lease, id_, 2)
    task, reported = (
        Policies(store, "a"),
        Connector(connector_id=1, status="Charging", error_code="NoError", received_ms=1),
    )
    await connectors.record_status(store, lease, reported)
    await task.turn()
    assert ((await find(store, id_)).state, task.ended) == ("open", 0)
    await store.execute("HSET", lease.keys.lease, "holder", "")
    await task.turn()
    assert ((await find(store, id_)).state, task.ended) == ("ended", 1)


async def test_a_turn_looks_at_some_transactions_and_the_next_turn_goes_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "_AT_ONCE", 2)
    monkeypatch.setattr(policies, "ENDED", 2)
    await allow(store, end_after_days=1)
    leases = [await claimed(store, f"CP.{number}") for number in range(3)]
    for lease in leases:
        for connector in range(1, 4):
            id_ = await begin(store, lease, a_start(connector_id=connector))
            await grow(store, lease, id_, 2)
    task, ended = Policies(store, "a"), []
    for _ in range(9):
        await task.turn()
        ended.append(task.ended)
    assert ended[0] in {2, 3}
    assert ended[-1] == 9
    assert ended[0] < ended[1] < ended[2]


async def test_one_process_ends_transactions_for_the_whole_store(store: Store) -> None:
    await allow(store, end_superseded=True)
    first, second = Policies(store, "a"), Policies(store, "b")
    await first.turn()
    id_, _ = await supersede(store, await claimed(store))
    await second.turn()
    assert (await find(store, id_)).state == "open"
    await store.execute("DEL", keys.duty("policies"))
    await second.turn()
    assert ((await find(store, id_)).state, second.ended) == ("ended", 1)
