"""The periodic work of a node: no part of it holds up another part."""

import time
from types import SimpleNamespace
from typing import cast
from unittest.mock import AsyncMock

import pytest
import trio
import trio.testing
from cryptography.hazmat.primitives.serialization import Encoding
from trio.testing import MockClock

from gateway import housekeeping
from gateway.housekeeping import GROWN_TURNS, STORM, Memory
from gateway.hub import Hub
from gateway.liveness import BEAT_S
from gateway.node import Node
from gateway.revocations import Revocations
from gateway.service import client_certificates, collector, machine
from gateway.websocket.close_codes import Close
from gateway.websocket.large_messages import LargeMessages
from state import charge_points, keys
from state.charge_points import Settings, denied_certificates, passwords, security
from state.keys import ChargePointKeys
from state.nodes import held, nodes
from state.store import Store
from state.tenants import tenants, tokens
from state.timers import JITTER
from tests.support.certificates import DAY, NOW, Made, certificate
from tests.support.charge_point_peer import charge_point
from tests.support.inner_gateway import PEPPER, inner_gateway
from tests.support.liveness import ME, TURNS, hold_lease
from tests.support.raw_upgrade import basic
from tests.support.waiting import GENEROUS_S


async def test_a_node_sends_heartbeats_and_looks_at_the_other_nodes_while_it_reaps(
    store: Store, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hold_lease(store, "silent")
    reaping, looks = trio.Event(), 0
    list_nodes = nodes.list_nodes

    async def reap_for_ever(_store: Store, _incarnation: str, _members: object) -> int:
        reaping.set()
        await trio.sleep_forever()
        raise AssertionError

    async def look(store: Store) -> list[nodes.NodeState]:
        nonlocal looks
        looks += 1
        return await list_nodes(store)

    async def count_beats() -> int:
        return int(await store.execute("HGET", keys.NODES, "a") or 0)

    monkeypatch.setattr(held, "reap", reap_for_ever)
    monkeypatch.setattr(nodes, "list_nodes", look)
    async with trio.open_nursery() as nursery:
        node = SimpleNamespace(
            store=store,
            incarnation="a",
            inbox_read="0",
            fault_counts=SimpleNamespace(write=trio.lowlevel.checkpoint),
            refusals=SimpleNamespace(turn=trio.lowlevel.checkpoint),
            revocations=SimpleNamespace(read_denied=AsyncMock()),
        )
        nursery.start_soon(housekeeping.keep, cast("Node", node), Hub(), lambda: ME, LargeMessages(1 << 20))
        for turn in range(100):
            if reaping.is_set() and turn >= 2 * TURNS:
                break
            await trio.testing.wait_all_tasks_blocked()
            beats, seen = await count_beats(), looks
            mock_clock.jump(BEAT_S * (1 + JITTER))
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


async def test_memory_is_given_back_after_large_messages_and_storms_and_once_more_for_what_ended_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[str] = []
    monkeypatch.setattr(collector, "give_memory_back", lambda: given.append("back"))
    large = LargeMessages(10)
    hub = Hub()
    memory = Memory(large, hub)

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
    hub.removed += STORM - 1
    assert await turn() == 0
    hub.removed += STORM
    assert await turn() == 1
    assert await turn() == 1
    assert await turn() == 0


async def test_memory_is_given_back_now_and_then_while_the_process_grows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[str] = []
    monkeypatch.setattr(collector, "give_memory_back", lambda: given.append("back"))
    memory = Memory(LargeMessages(10), Hub())

    async def turns_with(resident: int) -> int:
        given.clear()
        monkeypatch.setattr(machine, "read_used", lambda: machine.Used(resident, resident))
        for _ in range(GROWN_TURNS):
            await memory.turn()
        return len(given)

    assert [await turns_with(mib << 20) for mib in (100, 100, 101, 102, 80, 102, 110)] == [
        1,
        0,
        0,
        1,
        0,
        0,
        1,
    ]


def test_giving_memory_back_does_no_harm() -> None:
    collector.give_memory_back()


@pytest.mark.parametrize("deed", ["retire", "revoke"])
async def test_sessions_whose_token_proves_nothing_are_closed_although_no_message_came(
    store: Store, redis_url: str, deed: str
) -> None:
    """`inner_gateway` reads no inbox, so only the check of the tokens can close the session."""
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
            await housekeeping.check_tokens(gateway.node, gateway.hub)
            token_id = gateway.url.rpartition("/")[2][:8]
            if deed == "retire":
                await tokens.set_retired(store, "t", token_id, retired=True)
            else:
                await tokens.revoke(store, "t", token_id)
            await housekeeping.check_tokens(gateway.node, gateway.hub)
            assert await bare.wait_closed() == (1008, "peer")
            if deed == "retire":
                assert await proven.exchange("Heartbeat", {})
            else:
                assert await proven.wait_closed() == (1008, "peer")


async def test_no_session_is_closed_after_an_operator_puts_the_tenant_of_a_wiped_store_back(
    store: Store, redis_url: str
) -> None:
    """The tenant is younger than the session then, so nobody has revoked the token of the session."""
    async with (
        inner_gateway(store, redis_url) as gateway,
        charge_point(f"{gateway.url}/cp") as cp,
    ):
        await cp.call("Heartbeat", {})
        await store.execute("FLUSHALL")
        await housekeeping.check_tokens(gateway.node, gateway.hub)
        await tenants.put(store, "t", name="t", auto_register=True)
        # The two stores of the test may think differently of the server's clock.
        later_ms = store.server_time_ms() + 1_000
        await store.execute("HSET", keys.tokens("t"), "created_ms", later_ms)
        await housekeeping.check_tokens(gateway.node, gateway.hub)
        await cp.call("Heartbeat", {})
        assert cp.closed is None
