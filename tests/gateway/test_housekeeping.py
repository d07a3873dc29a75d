"""A node that is busy reaping stays alive, and reaps only nodes that are surely dead.

The tests move Trio's clock by hand, so the waits of the product take no time.
"""

import time
from contextlib import suppress
from types import SimpleNamespace
from typing import cast
from unittest.mock import AsyncMock

import pytest
import trio
import trio.testing
from cryptography.hazmat.primitives.serialization import Encoding
from structlog.testing import capture_logs
from trio.testing import MockClock

from gateway import housekeeping
from gateway.housekeeping import Liveness, Memory
from gateway.hub import Hub
from gateway.node import Node
from gateway.revocations import Revocations
from gateway.service import client_certificates, collector
from gateway.websocket.close_codes import Close
from gateway.websocket.large_messages import LargeMessages
from state import charge_points, keys
from state.charge_points import Settings, denied_certificates, passwords, security
from state.errors import StateError, StoreUnavailable
from state.keys import ChargePointKeys
from state.nodes import leases, nodes
from state.nodes.liveness import GAP_S, PATIENCE_S
from state.nodes.nodes import NodeRecord
from state.store import Store
from state.tenants import tokens
from tests.support.certificates import DAY, NOW, Made, certificate
from tests.support.charge_point_peer import charge_point
from tests.support.inner_gateway import PEPPER, inner_gateway
from tests.support.leases import KEYS, claimed
from tests.support.raw_upgrade import basic
from tests.support.waiting import GENEROUS_S

ME = NodeRecord(kind="gateway", host="one", pid=11, started_ms=1)
TURNS = int(PATIENCE_S // housekeeping.BEAT_S) + 2
"""Enough turns to judge that a node is dead."""


def liveness_of(store: Store, incarnation: str) -> Liveness:
    return Liveness(
        cast("Node", SimpleNamespace(store=store, incarnation=incarnation, inbox_read="0")), lambda: ME
    )


async def take_turns(liveness: Liveness, clock: MockClock, turns: int = TURNS) -> None:
    """Let the time of some turns pass. A heartbeat that fails is repeated in the next turn."""
    for _ in range(turns):
        clock.jump(housekeeping.BEAT_S)
        with suppress(StateError):
            await liveness.beat()
        await liveness.observe()


async def is_online(store: Store, charge_point: ChargePointKeys = KEYS) -> bool:
    [holding] = await leases.list_holdings(store, [charge_point])
    return holding is not None and holding.online


async def hold_lease(store: Store, incarnation: str) -> None:
    await nodes.beat(store, incarnation, ME)
    await claimed(store, f"{incarnation}/1")


async def test_a_node_whose_counter_stands_still_is_reaped_by_exactly_one_of_two_gateways(
    store: Store, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    reap, reaped = leases.reap, list[str]()

    async def note_reap(store: Store, incarnation: str) -> int:
        reaped.append(incarnation)
        return await reap(store, incarnation)

    monkeypatch.setattr(leases, "reap", note_reap)
    await hold_lease(store, "silent")
    both = liveness_of(store, "a"), liveness_of(store, "b")
    for _ in range(TURNS):
        mock_clock.jump(housekeeping.BEAT_S)
        for one in both:
            await one.beat()
        for one in both:
            await one.observe()
            assert set(one.gateways) >= {"a", "b"}
    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            for one in both:
                nursery.start_soon(one.reap)
    assert reaped == ["silent"]
    assert [entry["event"] for entry in logs] == ["node.reaped"]
    assert not await is_online(store)
    assert [one.gateways for one in both] == [["a", "b"]] * 2


async def test_a_gateway_leaves_a_dead_node_to_another_gateway_that_reaps_it_already(
    store: Store, mock_clock: MockClock
) -> None:
    await hold_lease(store, "silent")
    liveness = liveness_of(store, "a")
    await take_turns(liveness, mock_clock)
    assert await nodes.claim_reaping(store, "silent", "b")
    await liveness.reap()
    assert await is_online(store)
    await store.execute("DEL", keys.reaping("silent"))  # The other gateway died, so its claim expired.
    await liveness.reap()
    assert not await is_online(store)


async def test_no_node_is_judged_dead_while_the_store_refuses_the_heartbeats_of_all_nodes(
    store: Store, mock_clock: MockClock
) -> None:
    """For example, the memory of the store is full. Reads still work."""
    await hold_lease(store, "other")
    liveness = liveness_of(store, "a")
    await take_turns(liveness, mock_clock, 1)
    await store.execute("CONFIG", "SET", "min-replicas-to-write", 1)
    try:
        with pytest.raises(StoreUnavailable, match="NOREPLICAS"):
            await liveness.beat()
        await take_turns(liveness, mock_clock, 2 * TURNS)
    finally:
        await store.execute("CONFIG", "SET", "min-replicas-to-write", 0)
    # The heartbeat of this node comes first when the store takes writes again.
    await take_turns(liveness, mock_clock, 1)
    await liveness.reap()
    assert liveness.gateways == ["a", "other"]
    assert await is_online(store)
    await take_turns(liveness, mock_clock)
    await liveness.reap()
    assert not await is_online(store)


async def test_a_node_that_was_dead_before_this_process_paused_is_not_reaped_right_after_the_pause(
    store: Store, mock_clock: MockClock
) -> None:
    await hold_lease(store, "other")
    liveness = liveness_of(store, "a")
    await take_turns(liveness, mock_clock)
    mock_clock.jump(GAP_S + 1)
    await liveness.reap()
    assert await is_online(store)


async def test_a_failed_look_at_the_other_nodes_ends_the_judgement_that_a_node_is_dead(
    store: Store, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hold_lease(store, "other")
    liveness = liveness_of(store, "a")
    await take_turns(liveness, mock_clock)

    async def fail(_store: Store) -> None:
        raise StoreUnavailable("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr(nodes, "list_nodes", fail)
        with pytest.raises(StoreUnavailable):
            await liveness.observe()
    await liveness.reap()
    assert await is_online(store)


async def test_a_node_that_beats_again_while_another_dead_node_is_reaped_is_not_reaped(
    store: Store, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = ["d1", "d2"]
    for number, incarnation in enumerate(silent):
        await nodes.beat(store, incarnation, ME)
        await claimed(store, f"{incarnation}/1", ChargePointKeys("acme", f"CP-{number}"))
    liveness = liveness_of(store, "a")
    await take_turns(liveness, mock_clock)
    reap, reaped = leases.reap, list[str]()

    async def reap_slowly(store: Store, incarnation: str) -> int:
        reaped.append(incarnation)
        for other in silent:
            await nodes.beat(store, other, ME)
        await take_turns(liveness, mock_clock, 1)
        return await reap(store, incarnation)

    monkeypatch.setattr(leases, "reap", reap_slowly)
    await liveness.reap()
    assert len(reaped) == 1


async def test_a_node_sends_heartbeats_and_looks_at_the_other_nodes_while_it_reaps(
    store: Store, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hold_lease(store, "silent")
    reaping, looks = trio.Event(), 0
    list_nodes = nodes.list_nodes

    async def reap_for_ever(_store: Store, _incarnation: str) -> int:
        reaping.set()
        await trio.sleep_forever()
        raise AssertionError

    async def look(store: Store) -> list[nodes.NodeState]:
        nonlocal looks
        looks += 1
        return await list_nodes(store)

    async def count_beats() -> int:
        return int(await store.execute("HGET", keys.NODES, "a") or 0)

    monkeypatch.setattr(leases, "reap", reap_for_ever)
    monkeypatch.setattr(nodes, "list_nodes", look)
    async with trio.open_nursery() as nursery:
        node = SimpleNamespace(
            store=store,
            incarnation="a",
            inbox_read="0",
            fault_counts=SimpleNamespace(write=trio.lowlevel.checkpoint),
            refusals=SimpleNamespace(write=trio.lowlevel.checkpoint),
            revocations=SimpleNamespace(read_denied=AsyncMock()),
        )
        nursery.start_soon(housekeeping.keep, cast("Node", node), Hub(), lambda: ME, LargeMessages(1 << 20))
        for turn in range(100):
            if reaping.is_set() and turn >= 2 * TURNS:
                break
            await trio.testing.wait_all_tasks_blocked()
            beats, seen = await count_beats(), looks
            mock_clock.jump(housekeeping.BEAT_S)
            deadline = time.monotonic() + GENEROUS_S  # Trio's clock stands still.
            while await count_beats() == beats or looks == seen:
                assert time.monotonic() < deadline
        else:
            pytest.fail("the node reaped nothing")
        nursery.cancel_scope.cancel()


async def test_only_the_sessions_of_denied_or_expired_certificates_are_closed(store: Store) -> None:
    root, closed = certificate("root"), []

    class Link:
        def __init__(self, name: str, shown: Made | None) -> None:
            self.name = name
            der = None if shown is None else shown.certificate.public_bytes(Encoding.DER)
            self.certificate = None if der is None else client_certificates.read(der)

        def close_soon(self, close: Close) -> None:
            closed.append((self.name, close))

    denied = Link("denied", certificate("a", issuer=root, serial=1))
    expired = Link("expired", certificate("b", issuer=root, begins=NOW - 2 * DAY, ends=NOW - DAY))
    right = Link("right", certificate("c", issuer=root, serial=2))
    hub = [SimpleNamespace(link=one) for one in (denied, Link("without", None), right, expired)]
    node = SimpleNamespace(store=store, revocations=Revocations())
    assert denied.certificate is not None
    await denied_certificates.deny(store, denied.certificate.fingerprint, "stolen", 1)
    await housekeeping.follow_denied(cast("Node", node), cast("Hub", hub))
    assert closed == [("denied", Close.CERTIFICATE_INVALID), ("expired", Close.CERTIFICATE_INVALID)]


async def test_memory_is_given_back_after_large_messages_and_once_more_for_those_that_ended_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[str] = []
    monkeypatch.setattr(collector, "give_memory_back", lambda: given.append("back"))
    large = LargeMessages(10)
    memory = Memory(large)

    async def turn() -> int:
        given.clear()
        await memory.turn()
        return len(given)

    assert await turn() == 0
    assert await large.hold("one", 5)
    assert await turn() == 1
    large.release("one")
    assert await turn() == 1
    assert await turn() == 0


def test_giving_memory_back_does_no_harm() -> None:
    collector.give_memory_back()


@pytest.mark.parametrize("deed", ["retire", "revoke"])
async def test_the_audit_finds_the_sessions_whose_token_is_no_proof_although_no_message_came(
    store: Store, redis_url: str, deed: str
) -> None:
    """`inner_gateway` reads no inbox, so only the audit can close the session."""
    async with inner_gateway(store, redis_url) as gateway:
        key, keys_of = bytes(range(20)), ChargePointKeys("t", "proven")
        await charge_points.put(store, "t", "proven", Settings())
        digest = passwords.digest(PEPPER.encode(), keys_of.member, key)
        await security.set_password(store, keys_of, digest, 1)
        async with (
            charge_point(f"{gateway.url}/bare") as bare,
            charge_point(f"{gateway.url}/proven", header=basic("proven", key)) as proven,
        ):
            await bare.call("Heartbeat", {})
            await proven.call("Heartbeat", {})
            await housekeeping.audit(gateway.node, gateway.hub)
            token_id = gateway.url.rpartition("/")[2][:8]
            if deed == "retire":
                await tokens.set_retired(store, "t", token_id, retired=True)
            else:
                await tokens.revoke(store, "t", token_id)
            await housekeeping.audit(gateway.node, gateway.hub)
            assert await bare.wait_closed() == (1008, "peer")
            if deed == "retire":
                assert await proven.exchange("Heartbeat", {})
            else:
                assert await proven.wait_closed() == (1008, "peer")
