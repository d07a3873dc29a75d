"""The deletion of a charge point keeps its finished transactions, unless it is a purge."""

from typing import Any

import msgspec

from state import charge_points, holds, ids, transactions
from state.nodes.leases import Lease
from state.store import Store
from state.transactions import Limit, forgetting, meter_values
from tests.support.leases import KEYS, claimed, events

START = transactions.Start(
    connector_id=1,
    id_tag="TAG",
    timestamp="2026-01-01T00:00:00Z",
    started_ms=1_767_225_600_000,
    plausible=True,
    meter_start=0,
    reservation_id=None,
    received_ms=1_767_225_600_000,
)


async def finished(store: Store, lease: Lease, *, timestamp: str, **more: Any) -> int:
    """Store a transaction that was started and stopped, and return its id."""
    begun = msgspec.structs.replace(START, timestamp=timestamp)
    outcome = await transactions.start(store, lease, begun, b"{}", **more)
    stop = transactions.Stop(
        transaction_id=str(outcome.id),
        timestamp="2026-01-01T01:00:00Z",
        stopped_ms=1,
        meter_stop=1,
        received_ms=store.server_time_ms(),
    )
    await transactions.stop(store, lease, stop, b"")
    return outcome.id


async def test_a_deletion_keeps_finished_transactions_with_their_values_and_destroys_fingerprints_and_holds(
    store: Store,
) -> None:
    lease = (await claimed(store, "a/1")).lease
    kept = await finished(store, lease, timestamp="one", limit=Limit(1, b"{}"))
    await meter_values.append(
        store, lease, connector_id=1, transaction_id=str(kept), payload=b"[]", received_ms=1
    )
    # The release of the hold after the stop may have failed.
    assert not await holds.hold(store, KEYS, START.id_tag, "another", 1)
    assert await charge_points.delete(store, "acme", "CP-1") is True
    assert await holds.hold(store, KEYS, START.id_tag, "another", 1)
    assert await store.execute("EXISTS", KEYS.starts) == 0
    found = await transactions.get(store, "acme", f"CP-1.{kept}")
    assert found is not None
    assert found.state == "stopped"
    assert len((await meter_values.read_page(store, "acme", "CP-1", kept)).items) == 1
    for charge_point in (None, "CP-1"):
        page = await transactions.list_(store, "acme", charge_point=charge_point)
        assert [one.id for one in page.items] == [kept]
    assert (await events(store, KEYS))[-1] == ("charge_point.deleted", {"purged": False})


async def test_the_transactions_of_a_new_charge_point_get_higher_ids_than_those_that_a_deletion_kept(
    store: Store,
) -> None:
    lease = (await claimed(store, "a/1")).lease
    far = ids.least_number(store.server_time_ms()) + 1_000_000
    lease.last_transaction_id = far - 1
    await store.execute("HSET", KEYS.record, "last_transaction_id", far - 1)
    kept = await finished(store, lease, timestamp="one")
    assert kept == far
    assert await charge_points.delete(store, "acme", "CP-1") is True
    assert await charge_points.delete(store, "acme", "CP-1") is False
    assert await charge_points.get(store, "acme", "CP-1") is None
    again = (await claimed(store, "a/2")).lease
    # The same start as before is a new one, because its fingerprint is gone.
    later = await finished(store, again, timestamp="one")
    assert later == kept + 1
    assert await charge_points.delete(store, "acme", "CP-1", purge=True) is True
    assert await transactions.get(store, "acme", f"CP-1.{kept}") is None
    assert await store.execute("EXISTS", KEYS.record, KEYS.history, KEYS.buried) == 0


async def test_a_deleted_charge_point_leaves_nothing_when_its_last_transaction_leaves_the_store(
    store: Store,
) -> None:
    lease = (await claimed(store, "a/1")).lease
    kept = [await finished(store, lease, timestamp=name) for name in ("one", "two")]
    assert await charge_points.delete(store, "acme", "CP-1") is True
    await store.execute("HSET", KEYS.record, "last_transaction_id", kept[1] - 1_000)
    for id_ in kept:
        assert await store.execute("EXISTS", KEYS.record) == 1
        assert await forgetting.forget(store, "acme", "CP-1", id_)
    left = set(await store.execute("KEYS", "*"))
    # The entries of the order of completion stay, as those of other transactions do.
    assert left == {b"csms:meta", KEYS.lease.encode(), KEYS.events.encode(), KEYS.completed.encode()}


async def test_the_last_id_stays_while_it_is_ahead_of_the_time_and_while_the_charge_point_is_registered(
    store: Store,
) -> None:
    lease = (await claimed(store, "a/1")).lease
    first = await finished(store, lease, timestamp="one")
    await store.execute("HSET", KEYS.record, "last_transaction_id", first - 1_000)
    assert await forgetting.forget(store, "acme", "CP-1", first)
    assert await charge_points.get(store, "acme", "CP-1") is not None
    second = await finished(store, lease, timestamp="two")
    await charge_points.delete(store, "acme", "CP-1")
    await store.execute("HSET", KEYS.record, "last_transaction_id", second + 1_000)
    assert await forgetting.forget(store, "acme", "CP-1", second)
    assert await store.execute("HGETALL", KEYS.record) == {b"last_transaction_id": b"%d" % (second + 1_000)}
