"""Commands that wait until their charge point is online (`when=online`)."""

from collections.abc import Sequence

import pytest

from state import charge_points, commands, keys
from state.charge_points import Settings
from state.commands import Command, Conflict, Go, Late, Settled, Submitted, Taken, anchors, sweep
from state.commands.commands import KEPT_MS
from state.nodes import leases
from state.store import Store
from tests.support.commands import (
    ADMIN,
    CHARGE_POINT,
    KEYS,
    TENANT,
    current,
    make_overdue,
    open_inbox,
    seat,
    submitted,
    told,
    waiting,
    waiting_online,
    woken,
)
from tests.support.leases import claimed

DAY_MS = 86_400_000


@pytest.fixture
async def store(store: Store) -> Store:
    """Return a store in which the charge point is registered."""
    await charge_points.put(store, TENANT, CHARGE_POINT, Settings())
    await store.execute("DEL", KEYS.events)
    return store


async def wait_online(store: Store, **changes: object) -> Command:
    return await submitted(store, **({"waits_ms": DAY_MS} | changes))


async def statuses(store: Store, sent: Sequence[Command]) -> list[str]:
    return [(await current(store, one)).status for one in sent]


async def test_a_command_waits_for_an_offline_charge_point_and_its_deadline_counts_from_the_claim(
    store: Store,
) -> None:
    command = await wait_online(store, ttl_ms=60_000)
    assert (command.status, command.deadline_ms) == ("waiting", command.created_ms + DAY_MS)
    assert command.waits_until_ms == command.deadline_ms
    assert await waiting_online(store) == ([command.id], {command.id})
    assert await waiting(store) == ([], set())

    lease = (await claimed(store, "a/1", KEYS)).lease
    go = await commands.claim(store, lease, command.id, "nonce")
    assert isinstance(go, Go)
    assert (go.action, go.payload) == ("Reset", b'{"type":"Soft"}')
    assert 0 < go.left_ms <= 60_000
    found = await current(store, command)
    assert (found.status, found.deadline_ms) == ("sent", (found.sent_ms or 0) + 60_000)
    # From now on, the command is like any other that was sent.
    assert await waiting_online(store) == ([], set())
    assert await waiting(store) == ([command.id], {command.id})
    assert await commands.settle(store, KEYS, command.id, status="answered") == Settled()
    assert await waiting(store) == ([], set())


async def test_the_claim_of_a_lease_says_how_many_commands_wait(store: Store) -> None:
    first = await claimed(store, "a/1", KEYS)
    assert (first.pending, first.waiting) == ((), 0)
    await leases.release_if_holder(store, KEYS, "a/1", "gone")
    for _ in range(2):
        await wait_online(store)
    second = await claimed(store, "a/2", KEYS)
    assert (second.pending, second.waiting) == ((), 2)


async def test_a_command_for_an_online_charge_point_wakes_its_session(store: Store) -> None:
    await open_inbox(store)
    await seat(store)
    outcome = await commands.submit(
        store,
        TENANT,
        CHARGE_POINT,
        action="Reset",
        payload=b"{}",
        ttl_ms=9_000,
        waits_ms=DAY_MS,
        reply_to=ADMIN,
    )
    assert isinstance(outcome, Submitted)
    assert (outcome.command.status, outcome.node) == ("waiting", "node-1")
    (message,) = await woken(store)
    assert KEYS.member.encode() in message


async def test_a_command_goes_on_waiting_if_the_node_of_its_charge_point_is_gone(store: Store) -> None:
    await seat(store)
    command = await wait_online(store)
    assert (await current(store, command)).status == "waiting"


async def test_commands_wait_in_the_order_in_which_they_came_and_leave_those_of_now_their_place(
    store: Store,
) -> None:
    await open_inbox(store)
    await seat(store)
    first, second = await wait_online(store), await wait_online(store)
    now = await submitted(store, limit=1)
    assert now.status == "queued"
    assert await commands.read_lists(store, KEYS) == ([now.id], [first.id, second.id])


async def test_at_most_so_many_commands_wait_for_a_charge_point_as_the_limit_allows(store: Store) -> None:
    sent = [await wait_online(store, limit=2) for _ in range(3)]
    assert await statuses(store, sent) == ["waiting", "waiting", "busy"]
    assert (await current(store, sent[2])).settled_ms is not None
    assert await waiting_online(store) == ([sent[0].id, sent[1].id], {sent[0].id, sent[1].id})
    await commands.settle(store, KEYS, sent[0].id, status="cancelled")
    assert (await wait_online(store, limit=2)).status == "waiting"


async def test_a_command_that_was_not_written_waits_again_at_the_head_of_its_list(store: Store) -> None:
    lease = await seat(store)
    first, second = await wait_online(store), await wait_online(store)
    await commands.claim(store, lease, first.id, "nonce")
    assert not await commands.give_back(store, KEYS, first.id, "another")
    assert await commands.give_back(store, KEYS, first.id, "nonce")
    assert not await commands.give_back(store, KEYS, first.id, "nonce")
    found = await current(store, first)
    assert (found.status, found.deadline_ms, found.sent_ms) == ("waiting", first.deadline_ms, None)
    assert await waiting_online(store) == ([first.id, second.id], {first.id, second.id})
    assert await waiting(store) == ([], set())
    assert [status for id_, status in await told(store) if id_ == first.id] == ["waiting", "sent", "waiting"]


async def test_a_command_that_was_not_written_waits_again_even_after_the_deadline_for_its_answer(
    store: Store,
) -> None:
    """The session could not tell the store in time, because the store was away."""
    lease = (await claimed(store, "a/1", KEYS)).lease
    command = await wait_online(store)
    await commands.claim(store, lease, command.id, "nonce")
    await make_overdue(store, command.id)
    assert await commands.give_back(store, KEYS, command.id, "nonce")
    assert (await current(store, command)).status == "waiting"


async def test_a_charge_point_that_connects_again_and_again_is_given_a_command_only_once(
    store: Store,
) -> None:
    command = await wait_online(store)
    first = await claimed(store, "a/1", KEYS)
    assert isinstance(await commands.claim(store, first.lease, command.id, "first"), Go)
    for number in range(2, 5):
        again = await claimed(store, f"b/{number}", KEYS)
        assert again.waiting == 0
        await commands.mark_unknown(store, again.lease, again.pending, "connection_ended")
        assert await commands.claim(store, again.lease, command.id, str(number)) == Taken("unknown")
    assert not await commands.give_back(store, KEYS, command.id, "first")
    assert (await current(store, command)).status == "unknown"
    assert await commands.read_lists(store, KEYS) == ([], [])


async def test_a_claim_that_is_repeated_gets_the_same_deadline(store: Store) -> None:
    lease = (await claimed(store, "a/1", KEYS)).lease
    command = await wait_online(store)
    assert isinstance(await commands.claim(store, lease, command.id, "nonce"), Go)
    before = await current(store, command)
    assert isinstance(await commands.claim(store, lease, command.id, "nonce"), Go)
    assert await current(store, command) == before
    assert await waiting(store) == ([command.id], {command.id})


async def test_a_command_that_has_waited_too_long_expires_in_the_sweep_or_at_its_claim(store: Store) -> None:
    await open_inbox(store, ADMIN)
    lease = await seat(store)
    swept, late, other = [await wait_online(store) for _ in range(3)]
    await make_overdue(store, swept.id)
    assert await sweep.sweep_overdue(store) == 1
    await make_overdue(store, late.id)
    assert await commands.claim(store, lease, late.id, "nonce") == Late()
    assert await statuses(store, [swept, late, other]) == ["expired", "expired", "waiting"]
    assert [(await current(store, one)).sent_ms for one in (swept, late)] == [None, None]
    assert await waiting_online(store) == ([other.id], {other.id})
    assert await told(store) == [
        *((one.id, "waiting") for one in (swept, late, other)),
        *((one.id, "expired") for one in (swept, late)),
    ]


async def test_the_sweep_removes_the_remains_of_a_waiting_command_whose_record_is_gone(store: Store) -> None:
    command = await wait_online(store)
    await make_overdue(store, command.id)
    await store.execute("DEL", KEYS.command(command.id))
    await sweep.sweep_overdue(store, [KEYS.partition])
    assert await waiting_online(store) == ([], set())


async def test_the_end_of_a_wait_is_set_again_when_the_clock_of_the_server_was_set(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = (await claimed(store, "a/1", KEYS)).lease
    command = await wait_online(store)
    # This is what the clock would answer after a jump that left 5 s of the day.
    monkeypatch.setattr(store.clock, "left_ms", lambda *_: 5_000.0)
    assert await anchors.renew(store, [KEYS.partition]) == 1
    found = await current(store, command)
    assert found.anchored_ms is not None
    assert found.deadline_ms == found.waits_until_ms == found.anchored_ms + 5_000
    score = await store.execute("ZSCORE", KEYS.waiting, f"{command.id} {KEYS.member}")
    assert int(score) == found.deadline_ms
    assert await waiting(store) == ([], set())
    monkeypatch.undo()
    # A command that is given back has the new end of its wait.
    assert isinstance(await commands.claim(store, lease, command.id, "nonce"), Go)
    assert await commands.give_back(store, KEYS, command.id, "nonce")
    assert (await current(store, command)).deadline_ms == found.deadline_ms


async def test_a_command_can_be_cancelled_only_before_it_was_sent(store: Store) -> None:
    await open_inbox(store)
    lease = await seat(store)
    first, sent = await wait_online(store), await wait_online(store)
    queued = await submitted(store)
    assert isinstance(await commands.claim(store, lease, sent.id, "nonce"), Go)
    for one in (first, queued):
        assert await commands.settle(store, KEYS, one.id, status="cancelled") == Settled()
        assert await commands.claim(store, lease, one.id, "nonce") == Taken("cancelled")
    assert await commands.settle(store, KEYS, sent.id, status="cancelled") == Taken("sent")
    assert await waiting_online(store) == ([], set())
    assert await waiting(store) == ([sent.id], {sent.id})


async def test_the_commands_that_wait_are_cancelled_when_their_charge_point_is_deleted(store: Store) -> None:
    sent = [await wait_online(store) for _ in range(2)]
    await charge_points.delete(store, TENANT, CHARGE_POINT, purge=True)
    assert await statuses(store, sent) == ["cancelled", "cancelled"]
    assert await waiting_online(store) == ([], set())
    # A command that comes during the deletion must not wait for the next charge point with this id.
    assert (await wait_online(store)).status == "offline"
    assert await waiting_online(store) == ([], set())


async def test_a_command_that_was_not_written_does_not_wait_again_after_its_charge_point_was_deleted(
    store: Store,
) -> None:
    lease = (await claimed(store, "a/1", KEYS)).lease
    command = await wait_online(store)
    assert isinstance(await commands.claim(store, lease, command.id, "nonce"), Go)
    await charge_points.delete(store, TENANT, CHARGE_POINT)
    assert await commands.give_back(store, KEYS, command.id, "nonce")
    assert await commands.read_lists(store, KEYS) == ([], [])
    await make_overdue(store, command.id)
    await sweep.sweep_overdue(store, [KEYS.partition])
    assert (await current(store, command)).status == "expired"


async def test_a_repeated_idempotency_key_gets_the_command_that_waits(store: Store) -> None:
    command = await wait_online(store, idempotency_key="k")
    again = await submitted(store, idempotency_key="k")
    assert (again.id, again.status) == (command.id, "waiting")
    assert await waiting_online(store) == ([command.id], {command.id})
    other = await commands.submit(
        store,
        TENANT,
        CHARGE_POINT,
        action="ClearCache",
        payload=b"{}",
        ttl_ms=1000,
        waits_ms=1000,
        reply_to="",
        idempotency_key="k",
    )
    assert other == Conflict(command.id)


async def test_the_record_and_the_list_of_commands_are_kept_for_as_long_as_a_command_may_wait(
    store: Store,
) -> None:
    command = await wait_online(store, waits_ms=30 * DAY_MS, ttl_ms=60_000)
    await submitted(store)  # A later command that does not wait must not shorten the time.
    kept_ms = 30 * DAY_MS + 60_000 + KEPT_MS
    assert kept_ms - 10_000 < await store.execute("PTTL", KEYS.command(command.id)) <= kept_ms
    assert await store.execute("PTTL", KEYS.recent_commands) > 31 * DAY_MS
    page = await commands.list_recent(store, TENANT, CHARGE_POINT)
    assert command.id in [one.id for one in page.items]


@pytest.mark.parametrize("waits_ms", [0, 30 * DAY_MS + 1])
async def test_a_command_must_wait_from_1_ms_to_30_days(store: Store, waits_ms: int) -> None:
    with pytest.raises(ValueError, match="a command cannot wait"):
        await wait_online(store, waits_ms=waits_ms)
    assert await store.execute("EXISTS", keys.waiting(KEYS.partition)) == 0
