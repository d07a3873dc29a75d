import pytest

from state import charge_points
from state.charge_points import Settings
from state.store import Store
from state.tenants import id_tags, tenants, tokens
from state.tenants.id_tags import IdTag


async def test_storing_a_tenant_creates_a_new_tenant_or_changes_the_existing_one(store: Store) -> None:
    assert await tenants.get(store, "acme") is None
    assert await tenants.put(store, "acme", name="Acme\n€", auto_register=True)
    found = await tenants.get(store, "acme")
    assert found is not None
    assert (found.id, found.name, found.auto_register) == ("acme", "Acme\n€", True)
    assert found.created_ms == pytest.approx(store.server_time_ms(), abs=5_000)
    assert not await tenants.put(store, "acme", name="", auto_register=False)
    changed = await tenants.get(store, "acme")
    assert changed is not None
    assert (changed.name, changed.auto_register, changed.created_ms) == ("", False, found.created_ms)


async def test_tenants_are_listed_in_the_order_of_their_ids(store: Store) -> None:
    names = ["acme", "b{c}", "z z", "über"]
    for name in reversed(names):
        await tenants.put(store, name, name=name.upper(), auto_register=False)
    first = await tenants.list_(store, limit=3)
    assert [tenant.id for tenant in first.items] == names[:3]
    rest = await tenants.list_(store, cursor=first.next, limit=3)
    assert [(tenant.id, tenant.name) for tenant in rest.items] == [("über", "ÜBER")]
    assert rest.next is None


async def test_deleting_a_tenant_without_charge_points_deletes_its_tokens_too(store: Store) -> None:
    assert await tenants.delete(store, "acme") == "unknown"
    await tenants.put(store, "acme", name="", auto_register=False)
    await charge_points.put(store, "acme", "CP-1", Settings())
    made = await tokens.create(store, b"pepper", "acme", "")
    assert await tenants.delete(store, "acme") == "in_use"
    assert (await tokens.look_up(store, b"pepper", "acme", made.secret)).token is not None
    await charge_points.delete(store, "acme", "CP-1")
    assert await tenants.delete(store, "acme") == "deleted"
    assert await tenants.get(store, "acme") is None
    assert (await tenants.list_(store)).items == ()
    await tenants.put(store, "acme", name="", auto_register=False)
    assert (await tokens.look_up(store, b"pepper", "acme", made.secret)).token is None
    assert (await tokens.list_(store, "acme")).items == ()


async def test_a_new_tenant_gets_nothing_from_a_deleted_tenant_with_the_same_id(store: Store) -> None:
    """Above all, the id tags of the old tenant must be gone."""
    for tenant in ("acme", "acme2"):
        await tenants.put(store, tenant, name="", auto_register=False)
        for number in range(501):
            await id_tags.put(store, tenant, IdTag(tag=f"Tag {number}"))
    assert await tenants.delete(store, "acme") == "deleted"
    assert await store.execute("KEYS", "*acme[^2]*") == []
    assert await id_tags.get(store, "acme2", "tag 500") is not None
