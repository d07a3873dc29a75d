"""Charge points are registered, listed, booted, and deleted with everything that is stored about them."""

import pytest

from state import charge_points, transactions
from state.charge_points import OpenTransactions, Settings
from state.charge_points.charge_points import TOMBSTONE_MS
from state.errors import LeaseLost, Superseded
from state.keys import ChargePointKeys, partition_of
from state.nodes import leases
from state.nodes.leases import Claimed
from state.paging import Page
from state.store import Store
from state.transactions import ending, meter_values
from state.transactions.ending import End
from tests.support.leases import KEYS, claim, claimed, events, held_by, kinds

AWKWARD = ("acme{}", "CP 1/ü:*%")


@pytest.mark.parametrize("name", [("acme", "CP-1"), AWKWARD])
async def test_a_charge_point_can_be_registered_and_later_its_settings_can_be_changed(
    store: Store, name: tuple[str, str]
) -> None:
    assert await charge_points.get(store, *name) is None
    assert await charge_points.put(store, *name, Settings(description="Höhe\n1", strict=True))
    found = await charge_points.get(store, *name)
    assert found is not None
    assert (found.tenant, found.id, found.description) == (*name, "Höhe\n1")
    assert (found.strict, found.auto_registered) == (True, False)
    assert found.registered_ms == pytest.approx(store.server_time_ms(), abs=5_000)
    assert (found.boot, found.booted_ms, found.boot_status) == (None, None, None)

    assert not await charge_points.put(store, *name, Settings(registration="Pending"))
    changed = await charge_points.get(store, *name)
    assert changed is not None
    assert (changed.description, changed.strict, changed.registration) == ("", False, "Pending")
    assert changed.registered_ms == found.registered_ms
    assert await events(store, ChargePointKeys(*name)) == [
        ("charge_point.registered", {"auto_registered": False})
    ]


async def test_a_session_that_claims_a_lease_gets_the_settings_that_an_operator_made(store: Store) -> None:
    await charge_points.put(store, "acme", "CP-1", Settings(strict=True))
    got = await claimed(store, "a/1", register=False)
    assert got.record == await charge_points.get(store, "acme", "CP-1")
    assert got.record.strict


async def test_a_boot_notification_is_stored_only_if_its_session_holds_the_lease(store: Store) -> None:
    first = (await claimed(store, "a/1")).lease
    await charge_points.boot(store, first, b'{"chargePointVendor":"V","chargePointModel":"M"}')
    found = await charge_points.get(store, "acme", "CP-1")
    assert found is not None
    assert (found.boot, found.boot_status) == (
        {"chargePointVendor": "V", "chargePointModel": "M"},
        "Accepted",
    )
    assert found.booted_ms == pytest.approx(store.server_time_ms(), abs=5_000)
    await claimed(store, "b/1")
    with pytest.raises(Superseded):
        await charge_points.boot(store, first, b"{}")
    await store.execute("UNLINK", KEYS.lease)
    with pytest.raises(LeaseLost):
        await charge_points.boot(store, first, b"{}")
    assert await charge_points.get(store, "acme", "CP-1") == found


async def walk(store: Store, tenant: str, limit: int, **options: object) -> list[tuple[str, bool]]:
    found: list[tuple[str, bool]] = []
    cursor = None
    for _ in range(1000):
        page: Page[tuple[charge_points.ChargePointRecord, leases.Holding | None]]
        page = await charge_points.list_(store, tenant, limit=limit, cursor=cursor, **options)  # type: ignore[arg-type]
        found += [(one.id, holding is not None and holding.online) for one, holding in page.items]
        if page.next is None:
            return found
        cursor = page.next
    raise AssertionError("the listing does not end")


async def test_charge_points_can_be_filtered_by_the_beginning_of_their_ids_and_by_whether_they_are_connected(
    store: Store,
) -> None:
    names = sorted([f"CP-{number:03d}" for number in range(40)] + ["DP-1", "ü%"])
    for name in names:
        await charge_points.put(store, "acme", name, Settings())
    await charge_points.put(store, "other", "CP-999", Settings())
    online = set(names[::7])
    for number, name in enumerate(sorted(online)):
        await claimed(store, f"a/{number}", ChargePointKeys("acme", name))
    right = [(name, name in online) for name in names]
    for limit in (1, 7, 41, 42, 43):
        assert await walk(store, "acme", limit) == right
        assert await walk(store, "acme", limit, online=True) == [pair for pair in right if pair[1]]
        assert await walk(store, "acme", limit, online=False) == [pair for pair in right if not pair[1]]
    assert await walk(store, "acme", 5, prefix="CP-01") == [
        pair for pair in right if pair[0].startswith("CP-01")
    ]
    assert await walk(store, "acme", 5, prefix="ü") == [("ü%", False)]
    assert await walk(store, "nobody", 5) == []


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


async def add_transaction(store: Store, keys: ChargePointKeys, number: int, *, is_open: bool = False) -> None:
    """Add a transaction to the sorted sets that list transactions, as `start` and `stop` do."""
    listed = f"{number:012x}/{keys.member.partition('/')[2]}/{number}"
    indexes = (keys.history, keys.transactions, *([keys.open_transactions] if is_open else []))
    await store.pipeline(
        [
            *[("ZADD", index, 0, listed) for index in indexes],
            ("HSET", keys.transaction(number), "listed", listed),
            ("HSET", keys.values(number), "a", "b"),
        ]
    )


async def test_purging_a_charge_point_leaves_only_the_epoch_of_its_lease_and_the_epoch_expires_after_a_day(
    store: Store,
) -> None:
    tenant, name = AWKWARD
    keys = ChargePointKeys(tenant, name)
    neighbour = next(
        ChargePointKeys(tenant, f"n{number}")
        for number in range(10_000)
        if partition_of(tenant, f"n{number}") == keys.partition
    )
    await charge_points.put(store, tenant, neighbour.id, Settings())
    await add_transaction(store, neighbour, 1, is_open=True)
    before = set(await store.execute("KEYS", "*"))

    session = (await claimed(store, "a/1", keys)).lease
    for number in range(1, 603):
        await add_transaction(store, keys, number)
    for key in (keys.connectors, keys.open, keys.starts, keys.orphans):
        await store.execute("HSET", key, 1, "x")
    for number in (0, 1, 255):
        await store.execute("ZADD", keys.stray_values(number), 0, "x")
    await store.execute("RPUSH", keys.pending, "00.x")

    assert await charge_points.delete(store, tenant, name, purge=True)
    assert set(await store.execute("KEYS", "*")) - before == {keys.lease.encode()}
    assert 0 < await store.execute("PTTL", keys.lease) <= TOMBSTONE_MS
    assert await store.execute("ZCARD", keys.transactions) == 1
    assert await store.execute("ZCARD", keys.open_transactions) == 1
    assert await held_by(store, "a") == set()
    assert await charge_points.get(store, tenant, name) is None
    assert await leases.get_holding(store, tenant, name) is None
    assert await walk(store, tenant, 5) == [(neighbour.id, False)]
    assert await kinds(store, keys) == ["registered", "connected", "disconnected", "deleted"]
    assert (await events(store, keys))[2][1]["reason"] == "deleted"
    assert await leases.audit(store, [session]) == ["newer"]
    assert not await charge_points.delete(store, tenant, name, purge=True)


async def test_the_lease_of_a_deleted_charge_point_gets_a_higher_epoch_when_the_charge_point_returns(
    store: Store,
) -> None:
    old = (await claimed(store, "a/1")).lease
    await charge_points.delete(store, "acme", "CP-1")
    assert not isinstance(await claim(store, "a/2", register=False), Claimed)
    new = (await claimed(store, "a/3")).lease
    assert new.epoch > old.epoch
    assert await store.execute("PTTL", KEYS.lease) == -1
    assert await leases.audit(store, [old, new]) == ["newer", "ok"]
    await leases.release_if_holder(store, old.keys, old.holder, "too late")
    assert await held_by(store, "a") == {KEYS.member}


async def test_a_second_purge_removes_what_an_interrupted_purge_left_behind(store: Store) -> None:
    await charge_points.put(store, "acme", "CP-1", Settings())
    await add_transaction(store, KEYS, 1)
    await store.execute("RENAME", KEYS.history, KEYS.buried)
    await add_transaction(store, KEYS, 2)
    await store.execute("UNLINK", KEYS.record)
    # A StartTransaction after the deletion left a field in the record, but did not register the charge point.
    await store.execute("HSET", KEYS.record, "last_transaction_id", 2)
    assert await charge_points.get(store, "acme", "CP-1") is None
    assert await charge_points.delete(store, "acme", "CP-1", purge=True)
    assert not await charge_points.delete(store, "acme", "CP-1", purge=True)
    left = {
        key for key in await store.execute("KEYS", "*") if b"csms:meta" not in key and b":events:" not in key
    }
    assert left == set()


async def test_a_purge_destroys_the_transactions_of_a_charge_point_and_their_meter_values(
    store: Store,
) -> None:
    lease = (await claimed(store, "a/1")).lease
    started = await transactions.start(store, lease, START, b"{}")
    for number, transaction_id in ((1, str(started.id)), (1, "no such"), (0, None), (9999, None)):
        await meter_values.append(
            store, lease, connector_id=number, transaction_id=transaction_id, payload=b"[]", received_ms=1
        )
    assert await store.execute("EXISTS", KEYS.transaction(started.id), KEYS.values(started.id)) == 2
    found = await transactions.get(store, "acme", f"CP-1.{started.id}")
    assert found is not None
    end = End(ended_ms=1, time_source="given", meter=None, meter_source=None, received_ms=1, api_key="key")
    assert await ending.end(store, "acme", found, end, force=False) == "ended"
    assert await charge_points.delete(store, "acme", "CP-1", purge=True) is True
    left = set(await store.execute("KEYS", "*"))
    assert left == {b"csms:meta", KEYS.lease.encode(), KEYS.events.encode(), KEYS.completed.encode()}
    assert await store.execute("XLEN", KEYS.completed) == 0


async def test_a_charge_point_with_open_transactions_is_not_deleted_and_keeps_all_its_data(
    store: Store,
) -> None:
    lease = (await claimed(store, "a/1")).lease
    await add_transaction(store, KEYS, 7)
    for number in (9, 8):
        await add_transaction(store, KEYS, number, is_open=True)

    async def dump() -> dict[bytes, object]:
        return {key: await store.execute("DUMP", key) for key in await store.execute("KEYS", "*")}

    before = await dump()
    assert await charge_points.delete(store, "acme", "CP-1") == OpenTransactions("CP-1.8", 2)
    assert await dump() == before
    assert await leases.audit(store, [lease]) == ["ok"]
    await store.execute("DEL", KEYS.open_transactions)
    assert await charge_points.delete(store, "acme", "CP-1") is True


async def test_a_transaction_that_begins_after_a_deletion_is_listed_and_not_destroyed_by_the_next_deletion(
    store: Store,
) -> None:
    """The socket of the deleted charge point is closed a moment after the deletion."""
    lease = (await claimed(store, "a/1")).lease
    assert await charge_points.delete(store, "acme", "CP-1") is True
    outcome = await transactions.start(store, lease, START, b"{}")
    first = f"CP-1.{outcome.id}"
    assert await charge_points.delete(store, "acme", "CP-1") == OpenTransactions(first, 1)
    page = await transactions.list_(store, "acme", open_=True)
    assert [one.id for one in page.items] == [outcome.id]
    stop = transactions.Stop(
        transaction_id=str(outcome.id), timestamp="", stopped_ms=1, meter_stop=1, received_ms=1
    )
    await transactions.stop(store, lease, stop, b"")
    assert await charge_points.delete(store, "acme", "CP-1") is False
    assert await transactions.get(store, "acme", first) is not None
    assert await charge_points.delete(store, "acme", "CP-1", purge=True) is True
    assert await transactions.get(store, "acme", first) is None
