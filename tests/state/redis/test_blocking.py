"""Blocking connections do not stay with a server that is no longer the store."""

import pytest
import trio

from state.errors import StoreUnavailable
from state.store import Store, StoreConfig, open_store
from tests.support.valkey_server import ValkeyServer
from tests.support.waiting import until


async def find_blocked(store: Store) -> list[str]:
    """Return the ids of the connections that wait in the server."""
    clients: bytes = await store.execute("CLIENT", "LIST")
    found = [dict(pair.split("=", 1) for pair in line.split()) for line in clients.decode().splitlines()]
    return [client["id"] for client in found if "b" in client["flags"]]


async def read(store: Store, block_ms: int = 50_000) -> object:
    return await store.blocking(
        "XREAD", "BLOCK", block_ms, "STREAMS", "inbox", "0", timeout_s=block_ms / 1000
    )


async def test_a_blocked_read_that_the_server_ends_with_an_error_fails_as_if_the_store_were_away(
    store: Store,
) -> None:
    failed = trio.Event()

    async def expect_failure() -> None:
        with pytest.raises(StoreUnavailable, match="UNBLOCKED"):
            await read(store)
        failed.set()

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(expect_failure)
            await until(lambda: _one_is_blocked(store))
            [client_id] = await find_blocked(store)
            assert await store.execute("CLIENT", "UNBLOCK", client_id, "ERROR") == 1
            await failed.wait()
        assert store.stats()["blocking_connections"] == 0
        # The next read uses another connection.
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, store)
            await until(lambda: _one_is_blocked(store))
            assert await find_blocked(store) != [client_id]
            nursery.cancel_scope.cancel()


async def test_a_blocking_connection_that_was_in_use_while_the_store_was_away_is_not_used_again(
    private_valkey: ValkeyServer,
) -> None:
    """The server of such a connection may have become a replica that still answers reads."""
    with trio.fail_after(60):
        async with open_store(StoreConfig(url=private_valkey.url)) as store, trio.open_nursery() as nursery:
            nursery.start_soon(read, store)
            await until(lambda: _one_is_blocked(store))
            [before] = await find_blocked(store)
            store._lanes.listing.end("the test ends this connection")
            await until(lambda: not store.available)
            await store.wait_available()
            await store.execute("XADD", "inbox", "1-1", "k", "v")  # This ends only the command.
            await until(lambda: not store.stats()["blocking_connections"])
            await store.execute("DEL", "inbox")
            nursery.start_soon(read, store)
            await until(lambda: _one_is_blocked(store))
            assert await find_blocked(store) != [before]
            nursery.cancel_scope.cancel()


async def test_an_idle_blocking_connection_is_used_again(store: Store) -> None:
    with trio.fail_after(60):
        ids = set()
        for number in range(3):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read, store)
                await until(lambda: _one_is_blocked(store))
                ids.update(await find_blocked(store))
                await store.execute("XADD", "inbox", f"{number + 1}-1", "k", "v")
            await store.execute("DEL", "inbox")
        assert len(ids) == 1


async def _one_is_blocked(store: Store) -> bool:
    return len(await find_blocked(store)) == 1
