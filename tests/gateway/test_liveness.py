"""A node judges another node dead only if its own heartbeats are confirmed and the counter stands still."""

import msgspec
import pytest
import trio
from trio.testing import MockClock

from gateway.liveness import BEAT_S
from state.errors import StoreUnavailable
from state.keys import PARTITIONS
from state.nodes import nodes
from state.nodes.liveness import GAP_S
from state.nodes.nodes import NodeRecord
from state.store import Store, StoreConfig, open_store
from tests.support.liveness import ME, TURNS, liveness_of, take_turns
from tests.support.valkey_server import ValkeyServer

OLD = NodeRecord(kind="gateway", host="old", pid=1, started_ms=1)
"""A gateway of the release before."""
ADMIN = msgspec.structs.replace(ME, kind="admin")


async def test_a_node_whose_counter_stands_still_is_judged_dead_until_its_counter_rises(
    store: Store, mock_clock: MockClock
) -> None:
    await nodes.beat(store, "silent", ME)
    one = liveness_of(store, "a")
    await take_turns(mock_clock, one)
    assert (one.dead(), one.gateways) == ({"silent"}, ["a"])
    await nodes.beat(store, "silent", ME)
    await take_turns(mock_clock, one, turns=1)
    assert (one.dead(), one.gateways) == (set(), ["a", "silent"])


async def test_no_node_is_judged_dead_while_the_store_refuses_the_heartbeats_of_all_nodes(
    private_valkey: ValkeyServer, mock_clock: MockClock
) -> None:
    """Reads still work."""
    async with open_store(StoreConfig(url=private_valkey.url)) as store:
        await nodes.beat(store, "other", ME)
        one = liveness_of(store, "a")
        await take_turns(mock_clock, one, turns=1)
        await store.execute("CONFIG", "SET", "min-replicas-to-write", 1)
        with pytest.raises(StoreUnavailable, match="NOREPLICAS"):
            await one.beat()
        for _ in range(2 * TURNS):
            await take_turns(mock_clock, one, turns=1)
            assert (one.dead(), one.gateways) == (set(), ["a", "other"])
        await store.execute("CONFIG", "SET", "min-replicas-to-write", 0)
        # The heartbeat of this node comes first when the store takes writes again.
        await take_turns(mock_clock, one, turns=1)
        assert one.dead() == set()
        await take_turns(mock_clock, one)
        assert one.dead() == {"other"}


async def test_no_gateway_of_the_release_before_is_judged_dead_while_the_memory_of_the_store_is_full(
    private_valkey: ValkeyServer, mock_clock: MockClock
) -> None:
    """The release before cannot send its heartbeats then, but its sessions live."""
    async with open_store(StoreConfig(url=private_valkey.url)) as store:
        await nodes.beat(store, "old", OLD)
        await nodes.beat(store, "silent", ME)
        one = liveness_of(store, "a")
        await take_turns(mock_clock, one, turns=1)
        await store.execute("CONFIG", "SET", "maxmemory", 1)
        await take_turns(mock_clock, one, turns=2 * TURNS)
        assert (one.dead(), one.gateways) == ({"silent"}, ["a", "old"])
        await store.execute("CONFIG", "SET", "maxmemory", 0)
        await take_turns(mock_clock, one, turns=2)
        assert one.dead() == {"silent"}
        await take_turns(mock_clock, one)
        assert one.dead() == {"silent", "old"}


async def test_a_look_without_a_heartbeat_since_the_last_look_judges_no_node(
    store: Store, mock_clock: MockClock
) -> None:
    await nodes.beat(store, "other", ME)
    one = liveness_of(store, "a")
    for second in range(40):
        mock_clock.jump(1)
        if second % 4 == 0:
            await one.beat()
        await one.observe()
        assert one.dead() == set()


async def test_each_confirmed_heartbeat_causes_one_look(store: Store) -> None:
    one = liveness_of(store, "a")
    for _ in range(2):
        await one.beat()
        with trio.fail_after(60):
            await one.wait_beaten()
        await one.observe()
        with trio.move_on_after(0.05) as waiting:
            await one.wait_beaten()
        assert waiting.cancelled_caught


async def test_a_failed_look_at_the_other_nodes_ends_the_judgement_that_a_node_is_dead(
    store: Store, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await nodes.beat(store, "other", ME)
    one = liveness_of(store, "a")
    await take_turns(mock_clock, one)
    assert one.dead() == {"other"}

    async def fail(_store: Store) -> None:
        raise StoreUnavailable("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr(nodes, "list_nodes", fail)
        with pytest.raises(StoreUnavailable):
            await one.observe()
    assert one.dead() == set()


async def test_no_node_counts_as_dead_right_after_this_process_was_paused(
    store: Store, mock_clock: MockClock
) -> None:
    await nodes.beat(store, "other", ME)
    one = liveness_of(store, "a")
    await take_turns(mock_clock, one)
    mock_clock.jump(GAP_S + 1)
    assert one.dead() == set()


async def test_all_partitions_are_divided_among_the_living_gateways(
    store: Store, mock_clock: MockClock
) -> None:
    all_ = [liveness_of(store, name) for name in "abc"]
    await nodes.beat(store, "admin", ADMIN)
    await nodes.beat(store, "old", OLD)
    for turn in range(TURNS):
        mock_clock.jump(BEAT_S)
        for one in all_:
            await one.beat()
            if turn % 2:
                await nodes.beat(store, "old", OLD)
        for one in all_:
            await one.observe()
    # A gateway of the release before sweeps, but reaps in its own way, so no partition is left to it.
    assert sorted(partition for one in all_ for partition in one.reaped()) == list(range(PARTITIONS))
    swept = [partition for one in all_ for partition in one.swept()]
    assert len(swept) == len(set(swept)) == PARTITIONS * 3 // 4
    assert [one.is_first_reaper() for one in all_] == [True, False, False]
