"""Registration, heartbeat and inbox of nodes."""

import pytest
import trio

from state import keys
from state.nodes import inbox, leases, nodes
from state.nodes import inbox as inbox_module
from state.nodes.nodes import Node
from state.store import Store
from tests.state.lease_helpers import claimed

GATEWAY = Node(kind="gateway", host="one", pid=11, started_ms=1)
ADMIN = Node(kind="admin", host="two", pid=12, started_ms=2)


def test_incarnations_are_never_the_same_and_fit_into_a_holder() -> None:
    found = {nodes.new_incarnation() for _ in range(100)}
    assert len(found) == 100
    assert all(one.isalnum() for one in found)


async def test_a_node_is_listed_from_registering_to_leaving(store: Store) -> None:
    assert await nodes.list_nodes(store) == []
    await nodes.register(store, "a", GATEWAY)
    await nodes.register(store, "b", ADMIN)
    assert await nodes.beat(store, "a")
    found = {one.incarnation: one for one in await nodes.list_nodes(store)}
    assert {name: (one.kind, one.counter) for name, one in found.items()} == {
        "a": ("gateway", 2),
        "b": ("admin", 1),
    }
    assert found["a"].node == GATEWAY
    await nodes.leave(store, "a")
    assert [one.incarnation for one in await nodes.list_nodes(store)] == ["b"]
    assert not await inbox_module.send(store, "a", {"kind": "answer"})


async def test_a_wiped_store_asks_a_node_to_register_again(store: Store) -> None:
    await nodes.register(store, "a", GATEWAY)
    await store.execute("FLUSHALL")
    assert not await nodes.beat(store, "a")
    [found] = await nodes.list_nodes(store)
    assert (found.counter, found.node, found.kind) == (1, None, None)
    assert await nodes.broadcast(store, {"kind": "token_revoked"}) == 1
    await nodes.register(store, "a", GATEWAY)
    assert await nodes.beat(store, "a")


async def test_messages_arrive_in_order_and_once(store: Store) -> None:
    await nodes.register(store, "a", GATEWAY)
    assert await inbox_module.read(store, "a", "0", 1) == []
    for number in range(3):
        assert await inbox_module.send(store, "a", {"kind": "command", "command": f"{number} \n€"})
    first = await inbox_module.read(store, "a", "0", 1000)
    assert [message["command"] for _, message in first] == [f"{number} \n€" for number in range(3)]
    assert await inbox_module.read(store, "a", first[-1][0], 1) == []


async def test_a_reader_is_woken_by_a_message(store: Store) -> None:
    await nodes.register(store, "a", GATEWAY)
    read: list[object] = []

    async def reader() -> None:
        read.extend(await inbox_module.read(store, "a", "0", 20_000))

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader)
            while store.stats()["blocking_connections"] == 0:
                await trio.lowlevel.checkpoint()
            await inbox_module.send(store, "a", {"kind": "command"})
    assert len(read) == 1


async def test_an_inbox_expires_and_a_beat_begins_it_anew(store: Store) -> None:
    await nodes.register(store, "a", GATEWAY)
    assert 0 < await store.execute("PTTL", keys.inbox("a")) <= 9_000
    await store.execute("UNLINK", keys.inbox("a"))
    assert not await inbox_module.send(store, "a", {"kind": "command"})
    assert await nodes.beat(store, "a")
    assert await inbox_module.read(store, "a", "0", 1) == []
    assert await inbox_module.send(store, "a", {"kind": "command"})
    # A message does not keep a dead node's inbox.
    assert 0 < await store.execute("PTTL", keys.inbox("a")) <= 9_000


async def test_an_inbox_that_nobody_reads_stays_small(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "KEPT", 100)
    await nodes.register(store, "a", GATEWAY)
    await inbox.broadcast_to(store, ["a"] * 1000, {"kind": "command"})
    assert await store.execute("XLEN", keys.inbox("a")) <= 300


async def test_a_broadcast_reaches_one_kind(store: Store) -> None:
    await nodes.register(store, "a", GATEWAY)
    await nodes.register(store, "b", GATEWAY)
    await nodes.register(store, "c", ADMIN)
    assert await nodes.broadcast(store, {"kind": "token_revoked"}) == 2
    assert await inbox_module.read(store, "c", "0", 1) == []
    assert await nodes.broadcast(store, {"kind": "answer"}, "admin") == 1


async def test_a_dead_node_is_forgotten_when_it_was_silent_and_nothing_is_left_to_reap(store: Store) -> None:
    await nodes.register(store, "a", GATEWAY)
    lease = (await claimed(store, "a/1")).lease
    assert await leases.reap(store, "a") == 1
    assert await leases.reap(store, "a") == 0
    assert len(await nodes.list_nodes(store)) == 1
    # It was paused, takes its lease back, and dies before it beats again.
    assert await leases.audit(store, [(lease, 1)]) == ["ok"]
    await store.execute("UNLINK", keys.node("a"))
    assert await leases.reap(store, "a") == 1
    assert len(await nodes.list_nodes(store)) == 1
    assert await leases.reap(store, "a") == 0
    assert await nodes.list_nodes(store) == []
