"""Refused handshakes of a charge point are counted by reason, and many failures are an attack."""

import msgspec
import pytest

from state import charge_points, keys
from state.charge_points import Settings, refusals
from state.charge_points.refusals import ATTACK_FAILURES, Gathered, Refused
from state.events import events
from state.events.cursor import Cursor
from state.keys import ChargePointKeys
from state.store import Store
from state.tenants import refusal_records, tenants
from state.tenants.refusal_records import Filter, Refusals

KEYS = ChargePointKeys("acme", "CP-1")


@pytest.fixture
async def registered(store: Store) -> Store:
    await tenants.put(store, KEYS.tenant, name="Acme", auto_register=False)
    await charge_points.put(store, KEYS.tenant, KEYS.id, Settings())
    return store


def refused(
    reason: str, times: int, last_ms: int, *, address: str = "192.0.2.7", failed: bool = False
) -> Gathered:
    one = Refusals("acme", "CP-1", address, reason, times, last_ms, last_ms, f"detail {last_ms}")
    return Gathered(one, KEYS, failed=failed)


async def listed(store: Store, tenant: str | None) -> list[tuple[str | None, str, int]]:
    page = await refusal_records.list_(store, tenant, Filter())
    return [(one.charge_point, one.reason, one.times) for one in page.items]


async def test_each_reason_has_the_number_of_its_refusals_and_the_last_one(registered: Store) -> None:
    await refusals.record(registered, [refused("wrong_password", 3, 10), refused("no_password", 1, 30)])
    await refusals.record(registered, [refused("wrong_password", 2, 20, address="2001:db8::1")])
    assert await refusals.read(registered, "acme", "CP-1") == [
        Refused(reason="no_password", times=1, last_ms=30, address="192.0.2.7", detail="detail 30"),
        Refused(reason="wrong_password", times=5, last_ms=20, address="2001:db8::1", detail="detail 20"),
    ]
    assert await listed(registered, "acme") == [
        ("CP-1", "no_password", 1),
        ("CP-1", "wrong_password", 2),
        ("CP-1", "wrong_password", 3),
    ]
    assert await listed(registered, None) == []


async def test_the_refusals_of_a_charge_point_can_be_forgotten(registered: Store) -> None:
    other = Gathered(Refusals("acme", "CP-2", "192.0.2.7", "wrong_token", 1, 5, 5, ""))
    await refusals.record(registered, [refused("wrong_password", 3, 10), other])
    await refusals.forget(registered, "acme", "CP-1")
    assert await refusals.read(registered, "acme", "CP-1") == []
    assert await listed(registered, "acme") == [("CP-2", "wrong_token", 1)]


async def test_a_charge_point_that_is_not_registered_has_no_counts_but_a_record(store: Store) -> None:
    await tenants.put(store, "acme", name="Acme", auto_register=False)
    await refusals.record(store, [refused("too_many_failures", 3, 10)])
    assert await store.execute("EXISTS", KEYS.refusals) == 0
    assert await listed(store, "acme") == [("CP-1", "too_many_failures", 3)]


async def test_a_deleted_charge_point_leaves_no_refusals(registered: Store) -> None:
    await refusals.record(registered, [refused("wrong_password", 3, 10)])
    await charge_points.delete(registered, "acme", "CP-1")
    await refusals.record(registered, [refused("wrong_password", 3, 10)])
    assert await registered.execute("EXISTS", KEYS.refusals) == 0


async def test_refusals_of_strangers_that_older_releases_stored_are_moved_to_the_records_of_nobody(
    store: Store,
) -> None:
    for at in (10, 20, 30):
        old = Refused(reason="tls_failed", times=2, last_ms=at, address="192.0.2.7", detail="x")
        await store.execute("XADD", keys.REFUSALS, "*", "refused", msgspec.json.encode(old))
    await refusals.adopt_old(store)
    await refusals.adopt_old(store)
    [found] = (await refusal_records.list_(store, None, Filter())).items
    assert (found.reason, found.times, found.first_ms, found.last_ms) == ("tls_failed", 6, 10, 30)
    assert await store.execute("XLEN", keys.REFUSALS) == 0


async def attacks(store: Store) -> list[dict[str, object]]:
    batch = await events.read(store, "acme", Cursor(0, {}), 100)
    found = [one for one in batch.events if one.kind == "charge_point.under_attack"]
    return [msgspec.json.decode(one.data) for one in found]


async def test_many_failed_authentications_of_a_charge_point_are_one_event(registered: Store) -> None:
    few = refused("wrong_password", ATTACK_FAILURES - 1, 10, failed=True)
    assert await refusals.record(registered, [few], events=5) == 0
    assert await attacks(registered) == []
    again = refused("wrong_password", 1, 20, failed=True)
    assert await refusals.record(registered, [again], events=5) == 1
    assert await refusals.record(registered, [few], events=5) == 0
    [event] = await attacks(registered)
    assert (event["failures"], event["online"]) == (ATTACK_FAILURES, False)
    assert (event["address"], event["reason"]) == ("192.0.2.7", "wrong_password")


async def test_after_a_quiet_time_an_attack_is_another_event(
    registered: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = refused("wrong_password", ATTACK_FAILURES, 10, failed=True)
    await refusals.record(registered, [many], events=5)
    monkeypatch.setattr(refusals, "QUIET_MS", -1)  # Every time is a quiet time.
    await refusals.record(registered, [many], events=5)
    assert len(await attacks(registered)) == 2


async def test_refusals_that_are_no_failed_authentication_are_no_attack(registered: Store) -> None:
    await refusals.record(registered, [refused("no_subprotocol", 10 * ATTACK_FAILURES, 10)], events=5)
    assert await attacks(registered) == []


async def test_an_attack_for_which_there_is_no_room_becomes_an_event_with_the_next_failure(
    registered: Store,
) -> None:
    many = refused("wrong_password", ATTACK_FAILURES, 10, failed=True)
    assert await refusals.record(registered, [many], events=0) == 0
    assert await attacks(registered) == []
    assert await refusals.record(registered, [refused("wrong_password", 1, 20, failed=True)], events=1) == 1
