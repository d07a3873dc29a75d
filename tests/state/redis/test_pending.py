"""Commands of one charge point go one at a time, whatever happens to the others."""

import random
from collections import Counter

import pytest
import trio
import trio.testing

from state.errors import StoreUnavailable
from state.nodes import leases
from state.redis.pending import NOTHING, PendingReplies
from state.store import Store, StoreConfig, open_store
from tests.support.leases import KEYS, claimed
from tests.support.valkey_server import ValkeyServer
from tests.support.waiting import until


def queue() -> PendingReplies:
    return PendingReplies(timeout_s=60, max_commands=10_000, max_bytes=1 << 20)


def disturb(draw: random.Random, pending: PendingReplies) -> None:
    match draw.choice(("send", "send", "reply", "reply", "reply", "break")):
        case "send":
            pending.take()
        case "reply" if pending.flight:
            deliver(pending, "reply")
        case "break" if draw.random() < 0.2:
            pending.fail_flight("broken")
        case _:
            pass


def deliver(pending: PendingReplies, reply: object) -> None:
    replies = [reply]
    pending.deliver(lambda: replies.pop() if replies else NOTHING)


async def test_a_second_step_of_a_charge_point_is_sent_only_after_the_reply_to_the_first_one(
    private_valkey: ValkeyServer,
) -> None:
    other = type(KEYS)(KEYS.tenant, next(f"cp-{n}" for n in range(999) if _shares_partition(f"cp-{n}")))
    with trio.fail_after(60):
        async with open_store(StoreConfig(url=private_valkey.url)) as store:
            await claimed(store, "a/1")
            lane, _ = store._lanes.of(KEYS.lease)
            private_valkey.pause()
            try:
                async with trio.open_nursery() as nursery:
                    for keys in (KEYS, KEYS, other):
                        nursery.start_soon(leases.release_if_holder, store, keys, "a/1", "gone")
                    await until(lambda: len(lane.pending.flight) == 2)
                    await trio.testing.wait_all_tasks_blocked()
                    assert len(lane.pending.flight) + len(lane.pending.unsent) == 2
                    private_valkey.resume()
            finally:
                private_valkey.resume()
            assert lane.pending.bytes == 0


def _shares_partition(charge_point: str) -> bool:
    return type(KEYS)(KEYS.tenant, charge_point).partition == KEYS.partition


@pytest.mark.parametrize("seed", range(20))
async def test_turns_hold_although_tasks_give_up_and_connections_break(seed: int) -> None:
    """At most one command of a turn is queued or in flight, and every task gets a reply, an error or its own
    cancellation.
    """
    draw = random.Random(seed)
    pending, ends, begun = queue(), Counter[str](), 0
    scopes: list[trio.CancelScope] = []

    async def work(turn: str) -> None:
        with trio.CancelScope() as scope:
            scopes.append(scope)
            try:
                ends[str(await pending.call(b"x" * draw.randint(1, 9), 1, turn))] += 1
            except StoreUnavailable:
                ends["unavailable"] += 1
        if scope.cancelled_caught:
            ends["cancelled"] += 1

    async with trio.open_nursery() as nursery:
        for _ in range(300):
            if draw.random() < 0.3:
                nursery.start_soon(work, draw.choice(("", "t/a", "t/b", "t/c")))
                begun += 1
            elif scopes and draw.random() < 0.2:
                draw.choice(scopes).cancel()
            else:
                disturb(draw, pending)
            await trio.testing.wait_all_tasks_blocked()
            waiting = [one.turn for one in (*pending.unsent, *pending.flight) if one.turn]
            assert len(waiting) == len(set(waiting))
        while pending.unsent or pending.flight:
            pending.take()
            while pending.flight:
                deliver(pending, "reply")
        await trio.testing.wait_all_tasks_blocked()
    assert ends.total() == begun
    assert pending.bytes == 0
    assert pending._turns == {}


async def test_commands_that_wait_for_their_turn_fail_when_the_lane_is_closed() -> None:
    pending, failed = queue(), 0

    async def work() -> None:
        nonlocal failed
        with pytest.raises(StoreUnavailable, match="the store is closed"):
            await pending.call(b"x", 1, "t/a")
        failed += 1

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(work)
        await trio.testing.wait_all_tasks_blocked()
        pending.close("the store is closed")
    assert (failed, pending.bytes) == (3, 0)


async def test_commands_of_one_charge_point_do_not_keep_older_commands_from_failing_in_time() -> None:
    """While the store is away, each failed command is followed by a younger one of its charge point."""
    pending, failed = queue(), list[str]()

    async def work(turn: str, at: float) -> None:
        call = pending.call(b"x", 1, turn)
        (pending._turns[turn] or pending.unsent)[-1].at = at
        with pytest.raises(StoreUnavailable):
            await call
        failed.append(f"{turn} {at}")

    async def expire(now: float) -> list[str]:
        failed.clear()
        pending.expire(now)
        await trio.testing.wait_all_tasks_blocked()
        return sorted(failed)

    async with trio.open_nursery() as nursery:
        for turn, at in (("t/a", 0), ("t/b", 1), ("t/a", 2), ("t/c", 4), ("t/a", 50), ("t/a", 55)):
            nursery.start_soon(work, turn, at)
            await trio.testing.wait_all_tasks_blocked()
        assert await expire(65) == ["t/a 0", "t/a 2", "t/b 1", "t/c 4"]
        assert await expire(112) == ["t/a 50"]
        assert await expire(116) == ["t/a 55"]
    assert pending.bytes == 0
    assert pending._turns == {}


async def test_a_command_whose_turn_comes_when_the_connection_breaks_does_not_hide_older_ones() -> None:
    pending, failed = queue(), list[str]()

    async def work(turn: str, at: float) -> None:
        call = pending.call(b"x", 1, turn)
        (pending._turns[turn] or pending.unsent)[-1].at = at
        with pytest.raises(StoreUnavailable):
            await call
        failed.append(turn)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work, "t/a", 0)
        await trio.testing.wait_all_tasks_blocked()
        pending.take()
        for turn, at in (("t/b", 1), ("t/a", 50)):
            nursery.start_soon(work, turn, at)
            await trio.testing.wait_all_tasks_blocked()
        pending.fail_flight("broken")
        pending.expire(61)
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(failed) == ["t/a", "t/b"]
        pending.close("the store is closed")


@pytest.mark.parametrize(("in_flight_s", "reconnects"), [(0, 0), (60, 1)])
async def test_a_command_that_fails_late_ends_its_connection_only_if_the_reply_is_late_too(
    private_valkey: ValkeyServer, in_flight_s: float, reconnects: int
) -> None:
    failed = []

    async def ask(store: Store) -> None:
        with pytest.raises(StoreUnavailable, match="did not answer within 60 s") as caught:
            await store.execute("INCR", "n", key=KEYS.lease)
        failed.append(caught.value.sent)

    with trio.fail_after(90):
        async with open_store(StoreConfig(url=private_valkey.url, timeout_s=60)) as store:
            lane, _ = store._lanes.of(KEYS.lease)
            private_valkey.pause()
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(ask, store)
                    await until(lambda: bool(lane.pending.flight))
                    [waiter] = lane.pending.flight
                    waiter.at -= 60
                    waiter.sent_at -= in_flight_s
                    nursery.start_soon(lane._watch)
                    await until(lambda: bool(failed))
                    nursery.cancel_scope.cancel()
            finally:
                private_valkey.resume()
            assert failed == [True]
            await store.wait_available()
            assert await store.execute("INCR", "n", key=KEYS.lease) in {1, 2}
            assert lane.reconnects == reconnects


async def test_the_first_reply_is_due_after_it_was_sent_and_every_command_after_it_was_asked() -> None:
    pending = queue()
    assert pending.due_at() is None

    async def work(turn: str, at: float) -> None:
        call = pending.call(b"x", 1, turn)
        (pending._turns.get(turn) or pending.unsent)[-1].at = at
        with pytest.raises(StoreUnavailable):
            await call

    async with trio.open_nursery() as nursery:
        for turn, at in (("t/a", 5), ("", 7), ("t/a", 3)):
            nursery.start_soon(work, turn, at)
            await trio.testing.wait_all_tasks_blocked()
        assert pending.due_at() == 63
        pending.expire(64)
        assert pending.due_at() == 65
        pending.take()
        pending.flight[0].sent_at = 10
        assert pending.due_at() == 65
        pending.expire_flight(65)
        assert len(pending.flight) == 2
        assert pending.due_at() == 67
        pending.expire_flight(69)
        assert pending.due_at() == 70
        pending.close("the store is closed")
    assert pending.bytes == 0
    assert pending._turns == {}
