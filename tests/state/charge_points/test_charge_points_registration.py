"""The operator's policy decides the answer to a boot, but an accepted charge point stays accepted."""

import pytest

from state import charge_points
from state.charge_points import Booted, BootStatus, Settings
from state.keys import ChargePointKeys
from state.nodes import leases
from state.nodes.leases import Claimed
from state.store import Store
from state.tenants import tenants
from tests.support.leases import KEYS, claim, claimed, events

NAME = ("acme", "CP-1")


async def record(store: Store) -> charge_points.ChargePointRecord:
    found = await charge_points.get(store, *NAME)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("settings", "booted"),
    [
        (Settings(), Booted("Accepted", None)),
        (Settings(heartbeat_interval_s=900), Booted("Accepted", 900)),
        (Settings(registration="Pending"), Booted("Pending", 60)),
        (Settings(registration="Rejected", registration_interval_s=7), Booted("Rejected", 7)),
        (
            Settings(registration="Pending", registration_interval_s=9, heartbeat_interval_s=1),
            Booted("Pending", 9),
        ),
    ],
)
async def test_the_registration_policy_decides_the_answer_to_a_boot_notification(
    store: Store, settings: Settings, booted: Booted
) -> None:
    await charge_points.put(store, *NAME, settings)
    lease = (await claimed(store, "a/1")).lease
    assert await charge_points.boot(store, lease, b"{}") == booted
    found = await record(store)
    assert (found.boot_status, found.registration) == (booted.status, settings.registration)
    assert found.awaiting_release == (booted.status != "Accepted")
    assert (await events(store))[-1] == ("charge_point.booted", {"status": booted.status})


async def test_a_changed_registration_policy_takes_effect_at_the_next_boot(store: Store) -> None:
    await charge_points.put(store, *NAME, Settings(registration="Pending"))
    lease = (await claimed(store, "a/1")).lease
    assert (await charge_points.boot(store, lease, b"{}")).status == "Pending"
    assert await charge_points.accept(store, *NAME)
    released = await record(store)
    assert (released.registration, released.boot_status) == ("Accepted", "Pending")
    assert not released.awaiting_release
    assert (await charge_points.boot(store, lease, b"{}")).status == "Accepted"
    await charge_points.put(store, *NAME, Settings(registration="Rejected"))
    held = await record(store)
    assert (held.registration, held.boot_status) == ("Rejected", "Accepted")
    assert not held.awaiting_release
    again = await claimed(store, "b/1")
    assert (again.record.boot_status, again.record.registration) == ("Accepted", "Rejected")


async def test_accepting_a_charge_point_keeps_its_settings_and_an_unknown_charge_point_is_not_accepted(
    store: Store,
) -> None:
    settings = Settings(description="Bay 7", strict=True, registration="Rejected", heartbeat_interval_s=60)
    assert not await charge_points.accept(store, *NAME)
    assert await charge_points.get(store, *NAME) is None
    await charge_points.put(store, *NAME, settings)
    assert await charge_points.accept(store, *NAME)
    found = await record(store)
    assert (found.description, found.strict, found.heartbeat_interval_s) == ("Bay 7", True, 60)


@pytest.mark.parametrize("policy", ["Accepted", "Pending", "Rejected"])
async def test_a_charge_point_that_registers_itself_gets_the_registration_policy_of_its_tenant(
    store: Store, policy: BootStatus
) -> None:
    await tenants.put(store, "acme", name="", auto_register=True, registration=policy)
    tenant = await tenants.get(store, "acme")
    assert tenant is not None
    assert tenant.registration == policy
    got = await claimed(store, "a/1", registration=tenant.registration)
    assert (got.record.auto_registered, got.record.registration) == (True, policy)
    assert got.record.awaiting_release == (policy != "Accepted")
    assert (await charge_points.boot(store, got.lease, b"{}")).status == policy


async def test_a_new_policy_of_a_tenant_does_not_change_charge_points_that_are_already_registered(
    store: Store,
) -> None:
    await charge_points.put(store, *NAME, Settings())
    got = await claim(store, "a/1", registration="Rejected")
    assert isinstance(got, Claimed)
    assert got.record.registration == "Accepted"
    await leases.release_if_holder(store, got.lease.keys, got.lease.holder, "gone")
    assert (await claimed(store, "a/2", registration="Pending")).record.registration == "Accepted"


async def test_charge_points_whose_records_come_from_an_older_release_are_treated_as_accepted(
    store: Store,
) -> None:
    await store.execute("HSET", KEYS.record, "registered_ms", 1, "description", "old")
    found = await record(store)
    assert (found.registration, found.registration_interval_s, found.heartbeat_interval_s) == (
        "Accepted",
        60,
        None,
    )
    lease = (await claimed(store, "a/1")).lease
    assert await charge_points.boot(store, lease, b"{}") == Booted("Accepted", None)
    await store.execute("HSET", "csms:tokens:{acme}", "name", "x", "auto_register", 1, "created_ms", 1)
    tenant = await tenants.get(store, "acme")
    assert tenant is not None
    assert tenant.registration == "Accepted"


async def test_charge_points_can_be_filtered_by_boot_status(store: Store) -> None:
    policies: dict[str, BootStatus | None] = {"a": "Accepted", "b": "Pending", "c": "Rejected", "d": None}
    for name, policy in policies.items():
        await charge_points.put(store, "acme", name, Settings(registration=policy or "Pending"))
        if policy is not None:
            lease = (await claimed(store, f"{name}/1", ChargePointKeys("acme", name))).lease
            await charge_points.boot(store, lease, b"{}")
    statuses: tuple[BootStatus, ...] = ("Accepted", "Pending", "Rejected")
    for status in statuses:
        page = await charge_points.list_(store, "acme", boot_status=status)
        assert [one.id for one, _ in page.items] == [name for name, of in policies.items() if of == status]
        assert page.next is None
