"""A token is valid for one tenant, a tenant may have several tokens, and only keyed hashes of tokens are
stored.
"""

from urllib.parse import quote

import pytest

from state import keys
from state.store import Store
from state.tenants import tenants, tokens
from state.tenants.tokens import UnknownTenant

PEPPER = b"pepper of the tests"


@pytest.fixture
async def acme(store: Store) -> Store:
    await tenants.put(store, "acme", name="Acme", auto_register=True)
    await tenants.put(store, "other", name="Other", auto_register=False)
    return store


async def test_a_token_is_valid_only_for_the_tenant_for_which_it_was_made(acme: Store) -> None:
    made = await tokens.create(acme, PEPPER, "acme", "depot")
    assert len(made.secret) >= 32
    assert made.secret not in repr(made)
    assert quote(made.secret, safe="") == made.secret
    verified = await tokens.look_up(acme, PEPPER, "acme", made.secret)
    assert verified.token is not None
    assert verified.token.id == made.id
    assert verified.tenant == await tenants.get(acme, "acme")
    assert (await tokens.look_up(acme, PEPPER, "other", made.secret)).token is None
    assert (await tokens.look_up(acme, PEPPER, "nobody", made.secret)).token is None
    assert (await tokens.look_up(acme, b"another pepper", "acme", made.secret)).token is None


async def test_a_token_is_valid_only_with_its_exact_secret(acme: Store) -> None:
    made = await tokens.create(acme, PEPPER, "acme", "")
    last = made.secret[-1]
    wrong = [
        *("", made.id, made.secret[:-1], made.secret + "x", made.secret[:-1] + ("a" if last != "a" else "b")),
        *("token:", "name", "created_ms", "tenant", "é" * 40, "\0" * 40, "x" * 255),
    ]
    for secret in wrong:
        assert (await tokens.look_up(acme, PEPPER, "acme", secret)).token is None


async def test_the_old_token_and_a_new_token_are_both_valid_until_the_old_token_is_revoked(
    acme: Store,
) -> None:
    old = await tokens.create(acme, PEPPER, "acme", "old")
    new = await tokens.create(acme, PEPPER, "acme", "new\n€ 1")
    for made in (old, new):
        assert (await tokens.look_up(acme, PEPPER, "acme", made.secret)).token is not None
    listed = (await tokens.list_(acme, "acme")).items
    assert {token.id: token.label for token in listed} == {old.id: "old", new.id: "new\n€ 1"}
    assert all(token.created_ms == pytest.approx(acme.server_time_ms(), abs=5_000) for token in listed)
    assert await tokens.revoke(acme, "acme", old.id)
    assert not await tokens.revoke(acme, "acme", old.id)
    assert (await tokens.look_up(acme, PEPPER, "acme", old.secret)).token is None
    assert (await tokens.look_up(acme, PEPPER, "acme", new.secret)).token is not None


async def test_the_verification_of_a_token_takes_one_store_command(
    acme: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await tokens.create(acme, PEPPER, "acme", "")
    execute, commands = acme.execute, []

    async def count(*command: str | bytes | int, key: str | None = None) -> object:
        commands.append(command[0])
        return await execute(*command, key=key)

    monkeypatch.setattr(acme, "execute", count)
    for tenant, secret in (("acme", made.secret), ("acme", "x" * 40), ("nobody", made.secret)):
        await tokens.look_up(acme, PEPPER, tenant, secret)
    assert commands == ["HMGET"] * 3


async def test_the_secret_of_a_token_is_not_stored(acme: Store) -> None:
    made = await tokens.create(acme, PEPPER, "acme", "label")
    stored = await acme.execute("HGET", keys.tokens("acme"), f"token:{made.id}")
    assert made.secret[8:].encode() not in stored
    assert b"label" in stored


async def test_tokens_are_listed_in_pages(acme: Store) -> None:
    made = [await tokens.create(acme, PEPPER, "acme", str(number)) for number in range(5)]
    first = await tokens.list_(acme, "acme", limit=3)
    rest = await tokens.list_(acme, "acme", limit=3, cursor=first.next)
    assert [token.id for token in (*first.items, *rest.items)] == sorted(one.id for one in made)
    assert rest.next is None


async def test_a_search_for_several_tokens_finds_only_those_that_still_exist(acme: Store) -> None:
    one = await tokens.create(acme, PEPPER, "acme", "")
    two = await tokens.create(acme, PEPPER, "other", "")
    await tokens.revoke(acme, "other", two.id)
    asked = [("acme", one.id), ("other", two.id), ("acme", two.id), ("nobody", one.id)]
    assert await tokens.find_existing(acme, asked) == {("acme", one.id): False}
    assert await tokens.find_existing(acme, []) == {}


async def test_a_token_cannot_be_made_for_an_unknown_tenant(acme: Store) -> None:
    with pytest.raises(UnknownTenant):
        await tokens.create(acme, PEPPER, "nobody", "")
    assert await acme.execute("EXISTS", keys.tokens("nobody"), keys.token_ids("nobody")) == 0


async def test_a_retired_token_still_names_its_tenant_and_can_be_made_valid_again(acme: Store) -> None:
    made = await tokens.create(acme, PEPPER, "acme", "")
    assert await tokens.set_retired(acme, "acme", made.id, retired=True)
    shown = (await tokens.look_up(acme, PEPPER, "acme", made.secret)).token
    assert shown is not None
    assert shown.retired_ms == pytest.approx(acme.server_time_ms(), abs=5_000)
    await acme.execute("HSET", keys.tokens("acme"), f"token-retired:{made.id}", 7)
    assert await tokens.set_retired(acme, "acme", made.id, retired=True)
    [listed] = (await tokens.list_(acme, "acme")).items
    assert listed.retired_ms == 7, "the time of the first retirement is kept"
    assert await tokens.find_existing(acme, [("acme", made.id)]) == {("acme", made.id): True}
    assert await tokens.set_retired(acme, "acme", made.id, retired=False)
    shown = (await tokens.look_up(acme, PEPPER, "acme", made.secret)).token
    assert shown is not None
    assert shown.retired_ms is None


async def test_only_an_existing_token_can_be_retired(acme: Store) -> None:
    made = await tokens.create(acme, PEPPER, "acme", "")
    for tenant, token_id in (("other", made.id), ("nobody", made.id), ("acme", "x" * 8), ("acme", "")):
        assert not await tokens.set_retired(acme, tenant, token_id, retired=True)
    assert await acme.execute("EXISTS", keys.tokens("nobody")) == 0


async def test_a_token_that_is_bound_to_a_charge_point_says_so(acme: Store) -> None:
    made = await tokens.create(acme, PEPPER, "acme", "x", charge_point="CP ü/7")
    shown = (await tokens.look_up(acme, PEPPER, "acme", made.secret)).token
    assert shown is not None
    assert shown.charge_point == "CP ü/7"
    assert [one.charge_point for one in (await tokens.list_(acme, "acme")).items] == ["CP ü/7"]


async def test_nothing_is_left_of_a_token_that_was_bound_and_retired_after_it_was_revoked(
    acme: Store,
) -> None:
    before = await acme.execute("HKEYS", keys.tokens("acme"))
    made = await tokens.create(acme, PEPPER, "acme", "x", charge_point="CP-1")
    await tokens.set_retired(acme, "acme", made.id, retired=True)
    await tokens.revoke(acme, "acme", made.id)
    assert await acme.execute("HKEYS", keys.tokens("acme")) == before
    assert await tokens.find_existing(acme, [("acme", made.id)]) == {}


async def test_no_secret_makes_another_field_of_the_tenant_a_token(acme: Store) -> None:
    """The first characters of a secret choose the fields that are read."""
    await tokens.create(acme, PEPPER, "acme", "x", charge_point="CP-1")
    names = [name.decode() for name in await acme.execute("HKEYS", keys.tokens("acme"))]
    for name in names:
        for secret in (name, name[6:], "of:" + name, "retired:" + name, name[:8]):
            assert (await tokens.look_up(acme, PEPPER, "acme", secret)).token is None


async def test_the_latest_use_of_a_token_is_listed_and_leaves_nothing_behind(acme: Store) -> None:
    one, two = [await tokens.create(acme, PEPPER, "acme", label) for label in ("one", "two")]
    other = await tokens.create(acme, PEPPER, "other")
    await tokens.record_uses(acme, {("acme", one.id): 2_000, ("other", other.id): 5, ("acme", "gone"): 1})
    await tokens.record_uses(acme, {("acme", one.id): 1_000, ("nobody", one.id): 7})
    used = {token.id: token.used_ms for token in (await tokens.list_(acme, "acme")).items}
    assert used == {one.id: 2_000, two.id: None}
    assert [token.used_ms for token in (await tokens.list_(acme, "other")).items] == [5]
    await tokens.revoke(acme, "acme", one.id)
    await tokens.record_uses(acme, {("acme", one.id): 3_000})
    fields = await acme.execute("HGETALL", keys.tokens("acme"))
    assert not [field for field in fields if one.id.encode() in field or b"gone" in field]
    assert await acme.execute("EXISTS", keys.tokens("nobody")) == 0


async def test_the_uses_of_many_tokens_are_recorded_in_batches(acme: Store) -> None:
    ids = [(await tokens.create(acme, PEPPER, "acme")).id for _ in range(205)]
    await tokens.record_uses(acme, {("acme", token_id): 9 for token_id in ids})
    assert {token.used_ms for token in (await tokens.list_(acme, "acme", limit=1000)).items} == {9}
