"""The pulse notices within a second that the server refuses writes or has a wrong setting."""

import pytest
import trio

from state.errors import StoreUnavailable
from state.redis import pulse
from state.redis.pulse import PROBE
from state.store import Store, StoreConfig, open_store
from state.store import store as store_module
from tests.support.server_info import ask_info, count_calls
from tests.support.valkey_server import ValkeyServer
from tests.support.waiting import until

REFUSALS = {
    "OOM": ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
    "NOREPLICAS": ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"),
}


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "_EVERY_S", 0.05)


@pytest.mark.parametrize("code", REFUSALS)
async def test_a_store_that_refuses_writes_is_noticed_without_any_write_of_ours_and_so_is_its_recovery(
    private_valkey: ValkeyServer, code: str
) -> None:
    begin, end = REFUSALS[code]
    async with open_store(StoreConfig(url=private_valkey.url)) as store:
        assert store.refuses is None
        private_valkey.ask(begin.encode())
        await until(lambda: store.refuses == code)
        assert store.available
        assert store.describe_trouble() == f"the store refuses writes ({code})"
        private_valkey.ask(end.encode())
        await until(lambda: store.refuses is None)
        assert store.describe_trouble() is None


async def test_a_refused_write_is_noted_at_once(store: Store) -> None:
    await store.execute("CONFIG", "SET", "maxmemory", 1)
    try:
        with pytest.raises(StoreUnavailable, match="OOM"):
            await store.execute("SET", "k", "v")
        assert store.refuses == "OOM"
    finally:
        await store.execute("CONFIG", "SET", "maxmemory", 0)


async def test_the_probe_writes_nothing_to_the_store_and_nothing_to_its_file(
    private_valkey: ValkeyServer,
) -> None:
    async with open_store(StoreConfig(url=private_valkey.url)) as store:
        before = await read_file_size(store)
        asked = await count_probes(store)
        await until(lambda: count_is_greater(store, asked + 1))
        assert await read_file_size(store) == before
        assert await store.execute("EXISTS", PROBE) == 0


async def test_a_setting_that_breaks_durability_is_noticed_between_two_checks(
    private_valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_CHECK_EVERY_S", 3600)
    async with open_store(StoreConfig(url=private_valkey.url)) as store:
        private_valkey.ask(b"CONFIG SET appendfsync everysec")
        with trio.fail_after(60):
            while store.available:
                await store.wait_changed()
            await until(lambda: "appendfsync everysec" in (store.describe_trouble() or ""))
            private_valkey.ask(b"CONFIG SET appendfsync always")
            await store.wait_available()


async def read_file_size(store: Store) -> str:
    return (await ask_info(store, "persistence"))["aof_current_size"]


async def count_probes(store: Store) -> int:
    return (await count_calls(store))["time"]


async def count_is_greater(store: Store, than: int) -> bool:
    return await count_probes(store) > than
