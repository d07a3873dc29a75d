"""Each lease of a dead node is reaped by one living gateway, a limited number of leases in each turn."""

from collections import Counter
from collections.abc import Sequence

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from gateway import reaping
from gateway.liveness import Liveness
from gateway.reaping import QUIET_S, Reaper
from state import keys
from state.keys import ChargePointKeys
from state.nodes import held, leases, nodes
from state.store import Store
from tests.support.leases import claimed, held_by
from tests.support.liveness import ME, hold_lease, is_online, liveness_of, node_of, take_turns


class Steps:
    """Counts the steps that reap, by charge point, and the sets that are read."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.of: Counter[str] = Counter()
        self.turns: list[int] = []
        self.sets = 0
        reap, list_members = held.reap, held.list_members

        async def note_reap(store: Store, incarnation: str, members: Sequence[str]) -> int:
            self.of.update(members)
            return await reap(store, incarnation, members)

        async def note_read(store: Store, incarnation: str, partitions: Sequence[int]) -> list[set[str]]:
            self.sets += len(partitions)
            return await list_members(store, incarnation, partitions)

        patch.setattr(held, "reap", note_reap)
        patch.setattr(held, "list_members", note_read)


async def hold_many(store: Store, incarnation: str, count: int) -> None:
    await nodes.beat(store, incarnation, ME)
    for number in range(count):
        await claimed(store, f"{incarnation}/{number}", ChargePointKeys("acme", f"{incarnation}-{number}"))


def reaper_of(liveness: Liveness, store: Store, incarnation: str) -> Reaper:
    return Reaper(node_of(store, incarnation), liveness)


async def test_every_lease_of_two_dead_nodes_is_reaped_by_exactly_one_of_three_gateways(
    store: Store, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for dead in ("d1", "d2"):
        await hold_many(store, dead, 40)
    steps = Steps(monkeypatch)
    all_ = {name: liveness_of(store, name) for name in "abc"}
    reapers = [reaper_of(one, store, name) for name, one in all_.items()]
    await take_turns(mock_clock, *all_.values())
    with capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            for one in reapers:
                nursery.start_soon(one.turn)
    assert len(steps.of) == 80
    assert set(steps.of.values()) == {1}
    assert await held_by(store, "d1") | await held_by(store, "d2") == set()
    assert sum(entry["charge_points"] for entry in logs if entry["event"] == "node.reaped") == 80
    assert not await is_online(store, ChargePointKeys("acme", "d1-0"))


async def test_one_turn_reaps_a_limited_number_of_leases_and_the_next_turns_reap_the_rest(
    store: Store, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaping, "BUDGET", 7)
    monkeypatch.setattr(held, "AT_ONCE", 4)
    await hold_many(store, "silent", 25)
    steps, liveness = Steps(monkeypatch), liveness_of(store, "a")
    reaper = reaper_of(liveness, store, "a")
    await take_turns(mock_clock, liveness)
    taken = []
    for _ in range(5):
        await reaper.turn()
        taken.append(steps.of.total())
    assert taken == [7, 14, 21, 25, 25]
    assert await held_by(store, "silent") == set()


async def test_a_dead_node_without_leases_is_looked_at_only_once_a_minute_until_it_is_forgotten(
    store: Store, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hold_lease(store, "silent")
    steps, liveness = Steps(monkeypatch), liveness_of(store, "a")
    reaper = reaper_of(liveness, store, "a")
    await take_turns(mock_clock, liveness)
    for _ in range(3):
        await reaper.turn()
    assert steps.sets == 2 * keys.PARTITIONS  # One look found the lease, and one look found nothing.
    # The node was only paused. It takes a lease back, and dies before its next heartbeat.
    await claimed(store, "silent/2", ChargePointKeys("acme", "back"))
    await take_turns(mock_clock, liveness, turns=int(QUIET_S // 3) - 1)
    await reaper.turn()
    assert steps.sets == 2 * keys.PARTITIONS
    await take_turns(mock_clock, liveness, turns=2)
    await store.execute("UNLINK", keys.node("silent"))  # Ten minutes have passed.
    await reaper.turn()
    assert not await is_online(store, ChargePointKeys("acme", "back"))
    assert [one.incarnation for one in await nodes.list_nodes(store)] == ["a"]


async def test_a_gateway_whose_share_grows_looks_at_its_new_partitions_at_once(
    store: Store, mock_clock: MockClock
) -> None:
    await hold_many(store, "silent", 40)
    one, other = liveness_of(store, "a"), liveness_of(store, "b")
    reaper = reaper_of(one, store, "a")
    await take_turns(mock_clock, one, other)
    await reaper.turn()
    left = await held_by(store, "silent")
    assert 0 < len(left) < 40
    await take_turns(mock_clock, one)  # The other gateway dies before it has reaped anything.
    await reaper.turn()
    assert await held_by(store, "silent") == set()


async def test_a_node_that_sends_a_heartbeat_while_its_leases_are_reaped_keeps_the_rest(
    store: Store, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hold_many(store, "slow", 12)
    monkeypatch.setattr(held, "AT_ONCE", 3)
    liveness, reap = liveness_of(store, "a"), held.reap

    async def reap_slowly(store: Store, incarnation: str, members: Sequence[str]) -> int:
        await nodes.beat(store, "slow", ME)
        await take_turns(mock_clock, liveness, turns=1)
        return await reap(store, incarnation, members)

    monkeypatch.setattr(held, "reap", reap_slowly)
    await take_turns(mock_clock, liveness)
    await reaper_of(liveness, store, "a").turn()
    assert 9 <= len(await held_by(store, "slow")) < 12


async def test_no_lease_is_reaped_right_after_this_process_was_paused(
    store: Store, mock_clock: MockClock
) -> None:
    await hold_lease(store, "other")
    liveness = liveness_of(store, "a")
    await take_turns(mock_clock, liveness)
    mock_clock.jump(60)
    await reaper_of(liveness, store, "a").turn()
    assert await is_online(store)


async def test_a_gateway_of_the_release_before_reaps_a_node_that_this_release_is_reaping(
    store: Store, mock_clock: MockClock
) -> None:
    """The release before reaps a whole node in one go. Both find what they need."""
    await hold_many(store, "silent", 5)
    liveness = liveness_of(store, "a")
    await take_turns(mock_clock, liveness)
    assert await leases.reap(store, "silent") == 5
    await reaper_of(liveness, store, "a").turn()
    assert await held_by(store, "silent") == set()
