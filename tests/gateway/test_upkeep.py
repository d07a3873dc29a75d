"""A node learns of evictions, ghosts and waiting commands from the sets of its partitions.

`inner_gateway` reads no inbox, so no message helps.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest
import trio
from structlog.testing import capture_logs

from gateway.session import calls
from gateway.session.link import Link
from gateway.upkeep import Upkeep
from state import charge_points, commands, holds
from state.commands import waiting
from state.errors import StoreUnavailable
from state.keys import PARTITIONS, ChargePointKeys
from state.nodes import leases, nodes
from state.store import Store
from state.tenants import id_tags
from state.tenants.id_tags import IdTag
from state.transactions import running
from tests.support.charge_point_peer import Peer, charge_point
from tests.support.inner_gateway import InnerGateway, inner_gateway
from tests.support.leases import claimed, held_by
from tests.support.liveness import ME
from tests.support.waiting import until

ALL = range(PARTITIONS)
CP = ChargePointKeys("t", "cp")


class Seat(NamedTuple):
    gateway: InnerGateway
    upkeep: Upkeep
    peer: Peer

    def link(self, keys: ChargePointKeys = CP) -> Link:
        session = self.gateway.hub.find(keys.member)
        assert session is not None
        return session.link


@asynccontextmanager
async def seated(store: Store, redis_url: str) -> AsyncIterator[Seat]:
    """A charge point is connected, and the upkeep of its gateway runs only when the test calls it."""
    with trio.fail_after(60):
        async with inner_gateway(store, redis_url) as gateway:
            upkeep = Upkeep(gateway.node, gateway.hub)
            async with charge_point(f"{gateway.url}/{CP.id}") as peer:
                await peer.call("Heartbeat", {})
                yield Seat(gateway, upkeep, peer)


async def is_online(store: Store, keys: ChargePointKeys = CP) -> bool:
    holding = await leases.get_holding(store, keys.tenant, keys.id)
    return holding is not None and holding.online


@pytest.fixture
def count_steps(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Count the exact checks of single leases."""
    count, audit = 0, leases.audit

    async def note(store: Store, some: list[leases.Lease]) -> list[leases.Fence]:
        nonlocal count
        count += len(some)
        return await audit(store, some)

    monkeypatch.setattr(leases, "audit", note)
    return lambda: count


async def test_a_session_that_keeps_its_lease_costs_no_command_of_its_own(
    store: Store, redis_url: str, count_steps: Callable[[], int]
) -> None:
    async with seated(store, redis_url) as seat:
        for _ in range(3):
            await seat.upkeep.compare(ALL)
            await seat.upkeep.wake_pending(ALL)
            await seat.upkeep.wake_waiting(ALL)
        assert count_steps() == 0
        await seat.peer.call("Heartbeat", {})


async def test_a_session_whose_lease_another_node_has_taken_is_closed(store: Store, redis_url: str) -> None:
    async with seated(store, redis_url) as seat:
        await claimed(store, "other/1", CP)
        await seat.upkeep.compare(ALL)
        assert await seat.peer.wait_closed() == (1008, "peer")


async def test_a_session_whose_lease_was_reaped_takes_it_back(store: Store, redis_url: str) -> None:
    async with seated(store, redis_url) as seat:
        assert await leases.reap(store, seat.gateway.node.incarnation) == 1
        await seat.upkeep.compare(ALL)
        assert await is_online(store)


async def test_a_session_in_a_store_that_was_wiped_takes_its_lease_again(
    store: Store, redis_url: str
) -> None:
    async with seated(store, redis_url) as seat:
        await store.execute("FLUSHALL")
        await seat.upkeep.compare(ALL)

        async def is_back() -> bool:
            return await is_online(store)

        await until(is_back)
        assert seat.peer.closed is None


async def test_a_session_that_several_checks_find_without_a_lease_in_a_wiped_store_stays_open(
    store: Store, redis_url: str
) -> None:
    """The full audit, the comparison and a step of the session may all be on their way at the same time."""
    async with seated(store, redis_url) as seat:
        link = seat.link()
        await store.execute("FLUSHALL")
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(link.apply_fence, "lost")
        assert not link.is_closing
        assert link.lease.epoch == 2
        await seat.peer.call("Heartbeat", {})
        assert seat.peer.closed is None


async def test_the_older_of_two_sessions_of_a_charge_point_on_one_node_is_closed(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The set of the node lists the charge point, because the newer session holds the lease."""
    async with seated(store, redis_url) as seat:
        monkeypatch.setattr(seat.gateway.hub, "find_holder", lambda _holder: None)  # The takeover is lost.
        async with charge_point(f"{seat.gateway.url}/{CP.id}") as newer:
            await newer.call("Heartbeat", {})
            await seat.upkeep.compare(ALL)
            assert await seat.peer.wait_closed() == (1008, "peer")
            await newer.call("Heartbeat", {})


async def test_a_lease_of_this_node_without_a_session_is_released_at_the_second_look(
    store: Store, redis_url: str
) -> None:
    ghost, running = ChargePointKeys("t", "ghost"), ChargePointKeys("t", "running")
    async with seated(store, redis_url) as seat:
        own = seat.gateway.node.incarnation
        await claimed(store, f"{own}/901", ghost)
        await claimed(store, f"{own}/902", running)
        seat.gateway.node.attended.add(f"{own}/902")  # This handshake has not ended yet.
        with capture_logs() as logs:
            await seat.upkeep.compare(ALL)
            assert await is_online(store, ghost)
            await seat.upkeep.compare(ALL)
        assert not await is_online(store, ghost)
        assert await is_online(store, running)
        assert await is_online(store)
        assert [(entry["event"], entry["charge_points"]) for entry in logs] == [("leases.ghosts_released", 1)]


async def test_a_charge_point_that_only_the_set_of_a_node_lists_is_removed_from_the_set(
    store: Store, redis_url: str
) -> None:
    moved = ChargePointKeys("t", "moved")
    async with seated(store, redis_url) as seat:
        own = seat.gateway.node.incarnation
        await claimed(store, "other/1", moved)
        await store.execute("SADD", moved.held(own), moved.member)
        for _ in range(2):
            await seat.upkeep.compare(ALL)
        assert await held_by(store, own) == {CP.member}
        assert await is_online(store, moved)


async def test_every_lease_is_checked_exactly_after_the_store_became_another_server(
    store: Store, redis_url: str, count_steps: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store has gone back to an older state, in which its sets and its leases agree."""
    async with seated(store, redis_url) as seat:
        epoch = seat.link().lease.epoch
        await store.execute("HSET", CP.lease, "epoch", epoch - 1)
        await seat.upkeep.compare(ALL)
        await seat.upkeep.follow_store()
        assert count_steps() == 0
        run_id, _ = store.identity
        monkeypatch.setattr(store, "identity", (run_id, "another history"))
        await seat.upkeep.follow_store()
        assert count_steps() == 1
        await until(lambda: seat.link().lease.epoch == epoch + 1)
        assert await is_online(store)
        await seat.upkeep.follow_store()
        assert count_steps() == 1


async def test_a_full_audit_that_failed_is_repeated(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with seated(store, redis_url) as seat:
        monkeypatch.setattr(store, "identity", ("another", "server"))

        async def fail(_store: Store, _some: object) -> list[leases.Fence]:
            raise StoreUnavailable("away")

        with monkeypatch.context() as patch:
            patch.setattr(leases, "audit", fail)
            with pytest.raises(StoreUnavailable):
                await seat.upkeep.follow_store()
        with capture_logs() as logs:
            await seat.upkeep.follow_store()
        assert [(entry["event"], entry["sessions"]) for entry in logs] == [("leases.audited", 1)]


@pytest.mark.parametrize("waits_ms", [None, 60_000], ids=["now", "online"])
@pytest.mark.parametrize("page", [waiting.PAGE, 1])
async def test_a_session_gets_a_command_although_no_message_woke_it(
    store: Store, redis_url: str, page: int, waits_ms: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If a page does not hold all commands of a partition, the next looks read the next pages."""
    monkeypatch.setattr(waiting, "PAGE", page)
    monkeypatch.setattr(calls, "BOOT_S", 0.0)
    deadlines = CP.overdue if waits_ms is None else CP.waiting
    async with seated(store, redis_url) as seat:
        for number in range(3):
            member = f"t/neighbour-{number}"
            await store.execute("ZADD", deadlines, store.server_time_ms() + number, f"00.{number} {member}")
        await nodes.beat(store, seat.gateway.node.incarnation, ME)
        got = await commands.submit(
            store,
            *("t", CP.id),
            action="ClearCache",
            payload=b"{}",
            ttl_ms=60_000,
            waits_ms=waits_ms,
            reply_to="",
        )
        assert isinstance(got, commands.Submitted)
        for _ in range(1 if page > 4 else 4):
            await (seat.upkeep.wake_pending if waits_ms is None else seat.upkeep.wake_waiting)(ALL)
        await seat.peer.wait_asked()


async def test_a_pong_does_not_move_the_time_at_which_a_charge_point_was_last_seen_but_a_message_does(
    store: Store, redis_url: str
) -> None:
    async with seated(store, redis_url) as seat:
        await seat.upkeep.store_seen(ALL)
        stored = await store.execute("HGET", CP.seen, CP.member)
        assert int(stored) == pytest.approx(store.server_time_ms() / 1000, abs=30)
        await store.execute("HSET", CP.seen, CP.member, 1)
        seat.link().connection.last_received += 1  # As after a PONG.
        await seat.upkeep.store_seen(ALL)
        assert await store.execute("HGET", CP.seen, CP.member) == b"1"
        await seat.peer.call("Heartbeat", {})
        await seat.upkeep.store_seen(ALL)
        assert int(await store.execute("HGET", CP.seen, CP.member)) > 1


async def test_the_end_of_a_session_stores_when_its_charge_point_was_last_seen(
    store: Store, redis_url: str
) -> None:
    left = ChargePointKeys("t", "left")
    async with seated(store, redis_url) as seat:
        async with charge_point(f"{seat.gateway.url}/{left.id}") as peer:
            await peer.call("Heartbeat", {})
            assert await store.execute("HEXISTS", left.seen, left.member) == 0

        async def has_ended() -> bool:
            return not await is_online(store, left)

        await until(has_ended)
        assert await store.execute("HEXISTS", left.seen, left.member) == 1


async def test_a_charge_point_that_was_deleted_leaves_no_time_at_which_it_was_last_seen(
    store: Store, redis_url: str
) -> None:
    async with seated(store, redis_url) as seat:
        await seat.upkeep.store_seen(ALL)
        await seat.peer.call("Heartbeat", {})
        assert await charge_points.delete(store, "t", CP.id)
        await seat.upkeep.store_seen(ALL)  # The gateway has not heard of the deletion.
        assert await store.execute("EXISTS", CP.seen) == 0


async def check_that_upkeep_prolongs_the_hold(store: Store, seat: Seat) -> None:
    key = holds._slots(CP, "TAG")
    [(member, _)] = await store.execute("ZRANGE", key, 0, -1, "WITHSCORES")
    await store.execute("ZADD", key, store.server_time_ms() + 60_000, member)
    await seat.upkeep.prolong_holds([CP.partition])
    [(_, until_ms)] = await store.execute("ZRANGE", key, 0, -1, "WITHSCORES")
    assert until_ms > store.server_time_ms() + holds.LASTS_MS - 60_000


async def test_the_hold_of_an_open_transaction_is_prolonged(store: Store, redis_url: str) -> None:
    await id_tags.put(store, "t", IdTag(tag="TAG", max_active_transactions=1))
    async with seated(store, redis_url) as seat:
        await seat.peer.start(tag="TAG")
        await check_that_upkeep_prolongs_the_hold(store, seat)


async def test_a_start_that_was_stored_while_the_lease_was_lost_gets_its_connector_and_keeps_its_hold(
    store: Store, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with seated(store, redis_url) as seat:
        await store.execute("FLUSHALL")
        await id_tags.put(store, "t", IdTag(tag="TAG", max_active_transactions=1))

        async def fail(_store: Store, _lease: leases.Lease) -> None:
            raise StoreUnavailable("away")

        with monkeypatch.context() as patch:
            patch.setattr(running, "set_pointers", fail)
            number = (await seat.peer.start(tag="TAG"))["transactionId"]
            await until(lambda: seat.link().lease.epoch == 2)
        assert await running.list_running(store, "t", CP.id) == []
        await seat.upkeep.compare(ALL)

        async def runs() -> bool:
            return [one.id for one in await running.list_running(store, "t", CP.id)] == [number]

        await until(runs)
        assert seat.link().lease.unpointed == {}
        await check_that_upkeep_prolongs_the_hold(store, seat)
