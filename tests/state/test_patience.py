from functools import partial

import pytest
import trio
from structlog.testing import capture_logs

from state.errors import StoreRefused
from state.patience import repeat_step, wait_for
from state.store import Store, StoreConfig, start_store
from tests.support.valkey_server import ValkeyServer
from tests.support.waiting import until


async def answer_loading(stream: trio.SocketStream) -> None:
    async for _ in stream:
        await stream.send_all(b"-LOADING Valkey is loading the dataset in memory\r\n")


async def test_a_start_waits_for_a_store_that_loads_its_file_and_says_so() -> None:
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, answer_loading, 0, host="127.0.0.1")
        [listener] = await nursery.start(serve)
        port = listener.socket.getsockname()[1]
        with trio.fail_after(60), capture_logs() as logs:
            async with start_store(StoreConfig(url=f"redis://127.0.0.1:{port}")) as store:
                nursery.start_soon(wait_for, store)
                await until(lambda: any(entry["event"] == "store.awaited" for entry in logs))
                assert "loading the dataset" in (store.describe_trouble() or "")
                nursery.cancel_scope.cancel()
    [error] = [entry["error"] for entry in logs if entry["event"] == "store.awaited"]
    assert "loading the dataset" in error


async def test_a_start_goes_on_when_its_store_comes(private_valkey: ValkeyServer) -> None:
    private_valkey.stop()
    async with start_store(StoreConfig(url=private_valkey.url)) as store, trio.open_nursery() as nursery:
        with trio.fail_after(60):
            nursery.start_soon(wait_for, store)
            await until(lambda: "cannot be reached" in (store.describe_trouble() or ""))
            private_valkey.start()
            await wait_for(store)
            assert store.describe_trouble() is None


async def test_a_start_ends_at_once_if_its_store_is_refused(store: Store, redis_url: str) -> None:
    await store.execute("CONFIG", "SET", "appendfsync", "everysec")
    try:
        async with start_store(StoreConfig(url=redis_url)) as other:
            with trio.fail_after(60), pytest.raises(StoreRefused, match="appendfsync everysec"):
                await wait_for(other)
    finally:
        await store.execute("CONFIG", "SET", "appendfsync", "always")


async def test_a_step_of_the_start_is_repeated_until_a_full_store_has_room(
    private_valkey: ValkeyServer,
) -> None:
    async with start_store(StoreConfig(url=private_valkey.url)) as store, trio.open_nursery() as nursery:
        with trio.fail_after(60), capture_logs() as logs:
            await wait_for(store)
            await store.execute("CONFIG", "SET", "maxmemory", 1)
            nursery.start_soon(repeat_step, store.execute, "SET", "k", "stored")
            await until(lambda: any(entry["event"] == "store.awaited" for entry in logs))
            await store.execute("CONFIG", "SET", "maxmemory", 0)
            await until(lambda: holds(store, "k", b"stored"))


async def holds(store: Store, key: str, value: bytes) -> bool:
    return bool(await store.execute("GET", key) == value)
