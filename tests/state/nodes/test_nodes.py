"""Registration and heartbeat of nodes."""

import os
from functools import partial
from importlib.metadata import version

import msgspec
import pytest
import trio

from state import keys, meta
from state.errors import StoreUnavailable
from state.nodes import inbox, leases, nodes
from state.nodes.nodes import NodeRecord, NodeStatus
from state.store import Store, StoreConfig, open_store
from tests.support.leases import claimed
from tests.support.server_info import ask_info
from tests.support.valkey_server import ValkeyServer
from tests.support.waiting import until

GATEWAY = NodeRecord(kind="gateway", host="one", pid=11, started_ms=1)
ADMIN = NodeRecord(kind="admin", host="two", pid=12, started_ms=2)


def test_each_new_incarnation_of_a_node_has_a_unique_and_alphanumeric_id() -> None:
    found = {nodes.new_incarnation() for _ in range(100)}
    assert len(found) == 100
    assert all(one.isalnum() for one in found)


async def test_a_node_is_listed_from_its_first_heartbeat_until_it_leaves(store: Store) -> None:
    assert await nodes.list_nodes(store) == []
    await nodes.beat(store, "a", GATEWAY)
    await nodes.beat(store, "b", ADMIN)
    await nodes.beat(store, "a", GATEWAY)
    found = {one.incarnation: one for one in await nodes.list_nodes(store)}
    assert {name: (one.kind, one.counter) for name, one in found.items()} == {
        "a": ("gateway", 2),
        "b": ("admin", 1),
    }
    assert found["a"].node == GATEWAY
    await nodes.leave(store, "a")
    assert [one.incarnation for one in await nodes.list_nodes(store)] == ["b"]
    assert not await inbox.send(store, "a", inbox.CommandChanged("c"))


async def test_a_heartbeat_registers_a_node_again_after_the_store_was_wiped(store: Store) -> None:
    await nodes.beat(store, "a", GATEWAY)
    await nodes.beat(store, "a", GATEWAY)
    await store.execute("FLUSHALL")
    await nodes.beat(store, "a", GATEWAY)
    [found] = await nodes.list_nodes(store)
    assert (found.counter, found.node) == (1, GATEWAY)
    assert 0 < await store.execute("PTTL", keys.node("a")) <= nodes.FORGOTTEN_MS


async def test_each_heartbeat_stores_what_the_node_reports_at_that_time(store: Store) -> None:
    await nodes.beat(store, "a", GATEWAY)
    status = NodeStatus(sessions=3, draining=True, lag_ms=1.5)
    now = msgspec.structs.replace(GATEWAY, status=status)
    await nodes.beat(store, "a", now)
    [found] = await nodes.list_nodes(store)
    assert (found.counter, found.node) == (2, now)


async def test_a_node_record_of_the_release_before_is_read_without_version_and_status(store: Store) -> None:
    text = b'{"kind":"gateway","host":"one","pid":11,"started_ms":1}'
    await nodes.beat(store, "a", GATEWAY)
    await store.execute("SET", keys.node("a"), text)
    [found] = await nodes.list_nodes(store)
    assert found.node == NodeRecord(kind="gateway", host="one", pid=11, started_ms=1)
    assert (found.node.version, found.node.format, found.node.status) == ("", 1, None)


async def test_a_process_describes_itself_with_its_release_and_the_form_of_the_store_that_it_reads(
    store: Store,
) -> None:
    me = nodes.describe_process(store, "admin")
    assert (me.kind, me.pid, me.version, me.format) == ("admin", os.getpid(), version("csms"), meta.FORMAT)


async def test_a_node_sends_heartbeats_while_the_memory_of_the_store_is_full(
    private_valkey: ValkeyServer,
) -> None:
    async with open_store(StoreConfig(url=private_valkey.url)) as store:
        await nodes.beat(store, "a", GATEWAY)
        await store.execute("CONFIG", "SET", "maxmemory", 1)
        with pytest.raises(StoreUnavailable, match="OOM"):
            await store.execute("SET", "other", "1")
        await store.execute("UNLINK", keys.inbox("a"))
        await nodes.beat(store, "a", GATEWAY)
        await nodes.beat(store, "b", GATEWAY)
        counters = {one.incarnation: one.counter for one in await nodes.list_nodes(store)}
        assert counters == {"a": 2, "b": 1}
        assert await store.execute("EXISTS", keys.inbox("a"), keys.inbox("b")) == 2


async def test_a_node_whose_kind_is_not_known_gets_broadcast_messages(store: Store) -> None:
    await nodes.beat(store, "a", GATEWAY)
    await store.execute("UNLINK", keys.node("a"))
    [found] = await nodes.list_nodes(store)
    assert (found.counter, found.node, found.kind) == (1, None, None)
    await inbox.broadcast(store, inbox.TokenRevoked("t", "id"))
    assert len(await inbox.read(store, "a", "0", 1)) == 1


async def test_a_heartbeat_does_not_wait_for_commands_on_the_other_connections_of_its_process(
    redis_url: str,
) -> None:
    config = StoreConfig(url=redis_url, connections=2)
    with trio.fail_after(60):
        async with open_store(config) as store, open_store(config) as other, trio.open_nursery() as nursery:
            # These commands keep all connections of the process busy, except that of the heartbeat.
            for partition in range(8):
                command = ("BLPOP", keys.charge_points(partition, "t"), 0)
                nursery.start_soon(partial(store.execute, *command))
            nursery.start_soon(store.pipeline, [("BLPOP", "listing", 0)])
            await until(partial(_are_blocked, other, 3))
            for _ in range(3):
                await nodes.beat(store, "a", GATEWAY)
            [found] = await nodes.list_nodes(other)
            assert found.counter == 3
            assert await _are_blocked(other, 3)
            nursery.cancel_scope.cancel()


async def _are_blocked(store: Store, count: int) -> bool:
    return (await ask_info(store, "clients"))["blocked_clients"] == str(count)


async def test_a_dead_node_is_forgotten_when_its_record_has_expired_and_no_lease_of_it_is_left(
    store: Store,
) -> None:
    await nodes.beat(store, "a", GATEWAY)
    lease = (await claimed(store, "a/1")).lease
    assert await leases.reap(store, "a") == 1
    assert not await nodes.forget_silent(store, "a")
    # The node was only paused. The node takes its lease back, and dies before its next heartbeat.
    assert await leases.audit(store, [lease]) == ["ok"]
    await store.execute("UNLINK", keys.node("a"))
    assert not await nodes.forget_silent(store, "a")
    assert len(await nodes.list_nodes(store)) == 1
    assert await leases.reap(store, "a") == 1
    assert await nodes.forget_silent(store, "a")
    assert await nodes.list_nodes(store) == []


async def test_a_node_learns_from_its_heartbeat_whether_the_memory_of_the_store_is_full(
    private_valkey: ValkeyServer,
) -> None:
    async with open_store(StoreConfig(url=private_valkey.url)) as store:
        assert not await nodes.beat(store, "a", GATEWAY)
        await store.execute("CONFIG", "SET", "maxmemory", 1)
        assert await nodes.beat(store, "a", GATEWAY)
        await store.execute("CONFIG", "SET", "maxmemory", 0)
        assert not await nodes.beat(store, "a", GATEWAY)
        [found] = await nodes.list_nodes(store)
        assert found.counter == 3
