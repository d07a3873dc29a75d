import re

from state import keys
from state.store import Store
from state.tenants import api_keys

PEPPER = b"pepper of the tests"


async def test_an_api_key_is_valid_until_it_is_revoked(store: Store) -> None:
    everything = await api_keys.create(store, PEPPER, "operations", None)
    limited = await api_keys.create(store, PEPPER, "acme's own", ["acme", "ü"])
    assert re.fullmatch(r"csms_[A-Za-z0-9]{8}_[A-Za-z0-9]{32}", limited.secret)
    found = await api_keys.verify(store, PEPPER, limited.secret)
    assert found is not None
    assert (found.id, found.name, found.tenants) == (limited.id, "acme's own", ["acme", "ü"])
    assert await api_keys.list_(store) == sorted(
        [found, await api_keys.verify(store, PEPPER, everything.secret)],
        key=lambda key: (key.created_ms, key.id) if key else (0, ""),
    )
    assert await api_keys.revoke(store, limited.id)
    assert not await api_keys.revoke(store, limited.id)
    assert await api_keys.verify(store, PEPPER, limited.secret) is None
    assert [key.name for key in await api_keys.list_(store)] == ["operations"]


async def test_an_api_key_is_valid_only_with_its_exact_secret(store: Store) -> None:
    made = await api_keys.create(store, PEPPER, "operations", None)
    other = "a" if made.secret[-1] != "a" else "b"
    wrong = [
        "",
        made.id,
        made.secret[:-1],
        made.secret[:-1] + other,
        made.secret + "\n",
        f"csms_{made.id}_",
        "é",
    ]
    for secret in wrong:
        assert await api_keys.verify(store, PEPPER, secret) is None
    assert await api_keys.verify(store, b"another pepper", made.secret) is None
    assert await api_keys.verify(store, PEPPER, made.secret) is not None


async def test_the_secret_of_an_api_key_is_not_stored(store: Store) -> None:
    made = await api_keys.create(store, PEPPER, "operations", None)
    stored = await store.execute("HGET", keys.API_KEYS, made.id)
    assert made.secret[-32:].encode() not in stored
