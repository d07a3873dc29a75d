"""A process with another pepper than that of the store is refused at its start."""

import pytest

from state import keys
from state.errors import StoreRefused
from state.store import Store, StoreConfig, open_store
from state.tenants import pepper
from tests.support.valkey_server import ValkeyServer

RIGHT, WRONG = b"a pepper for tests only, 32 bytes", b"another pepper for tests, 32 byte"


async def test_the_first_process_stores_the_check_value_and_another_pepper_is_refused(store: Store) -> None:
    for _ in range(2):
        await pepper.check(store, RIGHT)
    with pytest.raises(StoreRefused, match="is not the pepper with which"):
        await pepper.check(store, WRONG)
    stored = await store.execute("HGETALL", keys.META)
    assert not [one for pair in stored.items() for one in pair if RIGHT in one]


async def test_an_old_store_without_a_check_value_gets_one(store: Store) -> None:
    before = await store.execute("HGETALL", keys.META)
    assert b"pepper_check" not in before
    await pepper.check(store, RIGHT)
    assert (await store.execute("HGETALL", keys.META)).keys() == {*before, b"pepper_check"}


async def test_after_a_pepper_was_accepted_the_old_one_is_refused(store: Store) -> None:
    await pepper.check(store, RIGHT)
    assert await pepper.accept(store, WRONG)
    assert not await pepper.accept(store, WRONG)
    await pepper.check(store, WRONG)
    with pytest.raises(StoreRefused):
        await pepper.check(store, RIGHT)


async def test_a_store_that_refuses_writes_gets_the_check_value_at_a_later_start(
    private_valkey: ValkeyServer,
) -> None:
    async with open_store(StoreConfig(url=private_valkey.url)) as store:
        private_valkey.ask(b"CONFIG SET maxmemory 1")
        await pepper.check(store, RIGHT)
        await pepper.check(store, WRONG)
        private_valkey.ask(b"CONFIG SET maxmemory 0")
        await pepper.check(store, RIGHT)
        private_valkey.ask(b"CONFIG SET maxmemory 1")
        await pepper.check(store, RIGHT)
        with pytest.raises(StoreRefused):
            await pepper.check(store, WRONG)
