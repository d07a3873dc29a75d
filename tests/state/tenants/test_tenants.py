import pytest

from state import charge_points, keys
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
    assert await tenants.delete(store, "acme") == "has_charge_points"
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


async def test_a_new_tenant_allows_profile_0_unless_the_operator_chooses_another_profile(
    store: Store,
) -> None:
    await tenants.put(store, "acme", name="", auto_register=False)
    await tenants.put(store, "strict", name="", auto_register=False, security_profile=2)
    found = [await tenants.get(store, name) for name in ("acme", "strict")]
    assert [one and one.security_profile for one in found] == [0, 2]


async def test_a_tenant_keeps_its_profile_if_a_change_does_not_name_one(store: Store) -> None:
    """A client that does not know security profiles must not open a tenant again."""
    await tenants.put(store, "acme", name="", auto_register=False, security_profile=3)
    await tenants.put(store, "acme", name="x", auto_register=True)
    found = await tenants.get(store, "acme")
    assert found is not None
    assert (found.name, found.security_profile) == ("x", 3)
    await tenants.put(store, "acme", name="x", auto_register=True, security_profile=0)
    found = await tenants.get(store, "acme")
    assert found is not None
    assert found.security_profile == 0


async def test_the_settings_of_certificates_are_stored_with_the_tenant(store: Store) -> None:
    await tenants.put(
        store,
        "acme",
        name="",
        auto_register=False,
        certificate_signing="automatic",
        certificate_organisations=("Acme", 'ÜBER, "GmbH"'),
    )
    found = await tenants.get(store, "acme")
    assert found is not None
    assert found.certificate_signing == "automatic"
    assert found.certificate_organisations == ("Acme", 'ÜBER, "GmbH"')
    assert (await tenants.list_(store)).items == (found,)


async def test_a_tenant_of_an_older_version_allows_profile_0(store: Store) -> None:
    await tenants.put(store, "acme", name="", auto_register=False, security_profile=2)
    fields = ("security_profile", "certificate_signing", "certificate_organisations")
    await store.execute("HDEL", keys.tokens("acme"), *fields)
    found = await tenants.get(store, "acme")
    assert found is not None
    assert (found.security_profile, found.certificate_signing, found.certificate_organisations) == (
        0,
        "manual",
        (),
    )
