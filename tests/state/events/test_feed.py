"""Every subscriber of the feed gets every event after its cursor, in order.

Only a slow subscriber is dropped.
"""

from collections import defaultdict
from collections.abc import AsyncIterator

import pytest
import trio
from structlog.testing import capture_logs

from state.events import events
from state.events import feed as feed_module
from state.events.cursor import Cursor
from state.events.events import Event
from state.events.feed import Feed, Gap, Lagging, Subscription
from state.keys import ChargePointKeys
from state.store import Store
from tests.state.events.emitting import emit, some_charge_points
from tests.support.server_info import count_calls
from tests.support.valkey_server import ValkeyServer
from tests.support.waiting import until

TENANT = "t"
POLL_S = 0.02


@pytest.fixture
async def polling() -> AsyncIterator[trio.Nursery]:
    """Open a nursery that only the polling tasks use."""
    async with trio.open_nursery() as nursery:
        yield nursery
        nursery.cancel_scope.cancel()


@pytest.fixture
async def feed(store: Store, polling: trio.Nursery) -> AsyncIterator[Feed]:
    feed = Feed(store, polling, poll_s=POLL_S, queued_max=600)
    with trio.fail_after(60):
        yield feed


async def take(subscription: Subscription, count: int) -> dict[str, list[int]]:
    """Take the next events, and return their numbers by charge point."""
    found = defaultdict(list)
    for _ in range(count):
        event = await anext(subscription)
        assert isinstance(event, Event)
        found[event.charge_point].append(int(bytes(event.data)))
    return found


async def nobody_polls(polling: trio.Nursery) -> None:
    await until(lambda: not polling.child_tasks)  # A poller ends some time after the last subscriber left.


async def test_every_subscriber_gets_all_events_that_are_appended_after_the_subscription(
    store: Store, polling: trio.Nursery, feed: Feed
) -> None:
    one, two = some_charge_points(TENANT, 2)
    await emit(store, one, 1, 5)
    async with feed.subscribe(TENANT) as first, feed.subscribe(TENANT) as second:
        assert feed.subscribers == 2
        assert len(polling.child_tasks) == 1
        await emit(store, one, 6, 8)
        await emit(store, two, 1)
        for subscription in (first, second):
            assert await take(subscription, 4) == {one.id: [6, 7, 8], two.id: [1]}
    assert feed.subscribers == 0


async def test_a_subscriber_can_resume_at_the_position_of_a_cursor(store: Store, feed: Feed) -> None:
    (keys,) = some_charge_points(TENANT, 1)
    async with feed.subscribe(TENANT) as subscription:
        await emit(store, keys, 1, 3)
        await take(subscription, 3)
    await emit(store, keys, 4, 60)
    async with feed.subscribe(TENANT, subscription.cursor) as subscription:
        await emit(store, keys, 61)
        assert await take(subscription, 58) == {keys.id: list(range(4, 62))}
        before = Cursor.parse(subscription.cursor.encode())
        await emit(store, keys, 0, 1)
        await take(subscription, 1)
        between = Cursor.parse(subscription.cursor.encode())
    async with feed.subscribe(TENANT, between) as subscription:
        assert await take(subscription, 1) == {keys.id: [1]}
    async with feed.subscribe(TENANT, before) as subscription:
        assert await take(subscription, 2) == {keys.id: [0, 1]}


async def test_subscribers_that_join_while_events_are_appended_miss_no_event(
    store: Store, feed: Feed
) -> None:
    """A subscriber that joins the shared poller gets each event once and in order."""
    charge_points = some_charge_points(TENANT, 4)
    count = 60

    async def write(keys: ChargePointKeys) -> None:
        for number in range(count):
            await emit(store, keys, number)

    async def check(cursor: Cursor) -> None:
        async with feed.subscribe(TENANT, cursor) as subscription:
            found = await take(subscription, count * len(charge_points))
            assert found == {keys.id: list(range(count)) for keys in charge_points}

    async with feed.subscribe(TENANT) as subscription, trio.open_nursery() as nursery:
        begin = subscription.cursor
        for keys in charge_points:
            nursery.start_soon(write, keys)
        for _ in range(6):
            nursery.start_soon(check, begin)
            await trio.sleep(0.03)  # Subscribers join one after the other, while events are written.


async def test_no_event_is_lost_when_a_read_of_the_feed_is_cancelled(store: Store, feed: Feed) -> None:
    (keys,) = some_charge_points(TENANT, 1)
    begin = await events.now_cursor(store, TENANT)
    found: list[int] = []

    async def write() -> None:
        for first in range(0, 200, 5):
            await emit(store, keys, first, first + 4)

    async with feed.subscribe(TENANT, begin) as subscription, trio.open_nursery() as nursery:
        nursery.start_soon(write)
        patience_s = 0.001
        while len(found) < 200:
            patience_s *= 1.05
            with trio.move_on_after(patience_s):
                while True:
                    found += (await take(subscription, 1))[keys.id]
    assert found == list(range(200))


async def test_only_the_subscriber_that_reads_too_slowly_is_dropped_from_the_feed(
    store: Store, feed: Feed
) -> None:
    (keys,) = some_charge_points(TENANT, 1)
    async with feed.subscribe(TENANT) as slow, feed.subscribe(TENANT) as quick:
        await emit(store, keys, 0)
        assert await take(slow, 1) == await take(quick, 1) == {keys.id: [0]}
        await join(store, keys, slow, quick)
        for first in range(100, 800, 100):
            await emit(store, keys, first, first + 99)
            await take(quick, 100)
        with pytest.raises(Lagging, match="more than 600 events"):
            await take(slow, 701)
        await emit(store, keys, 1000)
        assert await take(quick, 1) == {keys.id: [1000]}


async def join(store: Store, keys: ChargePointKeys, *subscriptions: Subscription) -> None:
    """Take events until the poller feeds these subscriptions."""
    while not all(subscription.joined for subscription in subscriptions):
        await emit(store, keys, 1)
        for subscription in subscriptions:
            await take(subscription, 1)


async def test_a_subscriber_gets_the_report_of_a_gap_before_the_next_event(store: Store, feed: Feed) -> None:
    (keys,) = some_charge_points(TENANT, 1)
    await emit(store, keys, 1)
    async with feed.subscribe(TENANT, Cursor(0, {})) as subscription:
        begin = subscription.cursor
        assert await anext(subscription) == Gap()
        assert subscription.cursor is begin  # The gap is reported again to a client that disconnects here.
        assert await take(subscription, 1) == {keys.id: [1]}
        assert subscription.cursor is not begin


async def test_the_feed_does_not_poll_the_store_while_there_are_no_subscribers(
    store: Store, polling: trio.Nursery, feed: Feed
) -> None:
    async with feed.subscribe(TENANT), feed.subscribe("other"):
        assert len(polling.child_tasks) == 2
    await nobody_polls(polling)
    before = await reads(store)
    await trio.sleep(POLL_S * 10)  # Long enough for several polls, if there were any.
    assert await reads(store) == before
    (keys,) = some_charge_points(TENANT, 1)
    async with feed.subscribe(TENANT) as subscription:
        await emit(store, keys, 1)
        await take(subscription, 1)
    assert await reads(store) > before


async def reads(store: Store) -> int:
    return (await count_calls(store))["xrange"]


async def test_a_tenant_without_events_is_polled_less_often_until_its_next_event(
    store: Store, polling: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    sleep = trio.sleep

    async def note(seconds: float) -> None:
        # The tasks of the store sleep too.
        if "feed" in trio.lowlevel.current_task().name:
            pauses.append(seconds)
            seconds = 0
        await sleep(seconds)

    monkeypatch.setattr(feed_module, "_BUSY", 0)
    [one] = some_charge_points(TENANT, 1)
    feed = Feed(store, polling)
    with trio.fail_after(60):
        async with feed.subscribe(TENANT) as subscription:
            with monkeypatch.context() as patch:
                patch.setattr(trio, "sleep", note)
                while len(pauses) < 6:
                    await trio.lowlevel.checkpoint()
                await emit(store, one, 1)
                assert await take(subscription, 1) == {one.id: [1]}
                while 0.25 not in pauses[2:]:  # The event may come before the next pause is noted.
                    await trio.lowlevel.checkpoint()
                rise = pauses.index(0.25, 2)
                assert pauses[:4] == [0.25, 0.5, 1.0, 1.0]
                assert set(pauses[4:rise]) <= {1.0}


async def test_the_feed_continues_after_the_store_was_killed(
    store: Store, feed: Feed, valkey: ValkeyServer
) -> None:
    (keys,) = some_charge_points(TENANT, 1)
    async with feed.subscribe(TENANT) as polled, feed.subscribe(TENANT) as catching_up:
        await emit(store, keys, 1)
        await take(polled, 1)
        await emit(store, keys, 2, 40)
        valkey.pause()

        async def catch_up() -> None:
            assert await take(catching_up, 40) == {keys.id: list(range(1, 41))}

        async with trio.open_nursery() as nursery:
            nursery.start_soon(catch_up)
            # Both tasks must have sent a read by then, because only a read in flight fails.
            await trio.sleep(POLL_S * 5)
            valkey.kill()
            valkey.start()
            assert await take(polled, 39) == {keys.id: list(range(2, 41))}


async def test_the_feed_continues_after_a_poll_that_failed_because_of_a_defect(
    store: Store, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "_PAUSE_MAX_S", POLL_S)
    (keys,) = some_charge_points(TENANT, 1)
    with capture_logs() as logs:
        async with feed.subscribe(TENANT) as polled:
            await emit(store, keys, 1)
            await take(polled, 1)
            await store.execute("RENAME", keys.events, f"{keys.events}:away")
            await store.execute("SET", keys.events, "no stream")
            await until(lambda: bool(logs))
            await store.execute("RENAME", f"{keys.events}:away", keys.events)
            await emit(store, keys, 2)
            assert await take(polled, 1) == {keys.id: [2]}
    assert {entry["event"] for entry in logs} == {"events.poll_failed"}


async def test_a_subscriber_joins_the_shared_poller_only_after_it_has_read_as_far_as_the_poller(
    store: Store, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The poller may read an event while a subscriber still reads older events.

    This subscriber must get it too.
    """
    (keys,) = some_charge_points(TENANT, 1)
    async with feed.subscribe(TENANT) as other:
        await emit(store, keys, 1)
        await take(other, 1)
        await join(store, keys, other)
        begin = await events.now_cursor(store, TENANT)
        read = events.read

        async def slow_read(store: Store, tenant: str, cursor: Cursor, limit: int) -> events.EventBatch:
            batch = await read(store, tenant, cursor, limit)
            if cursor is begin:
                await emit(store, keys, 7)
                await take(other, 1)
            return batch

        monkeypatch.setattr(events, "read", slow_read)
        async with feed.subscribe(TENANT, begin) as subscription:
            assert await take(subscription, 1) == {keys.id: [7]}
