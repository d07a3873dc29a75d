"""The rules of commands, one by one."""

import msgspec
import pytest
import trio

from state import commands, keys
from state.commands import Conflict, Go, Gone, Late, Settled, Submitted, Taken
from state.commands.commands import KEPT_MS
from state.commands.table import Status
from state.errors import LeaseLost, Superseded
from state.keys import ChargePointKeys
from state.store import Store
from tests.support.commands import (
    ADMIN,
    CHARGE_POINT,
    KEYS,
    NODE,
    TENANT,
    current,
    make_overdue,
    open_inbox,
    seat,
    submitted,
    told,
    waiting,
    woken,
)


async def test_the_status_of_a_command_is_first_queued_and_then_sent_and_then_answered(store: Store) -> None:
    await open_inbox(store)
    await open_inbox(store, ADMIN)
    lease = await seat(store)
    before = store.server_time_ms()
    outcome = await commands.submit(
        store, TENANT, CHARGE_POINT, action="Reset", payload=b'{"type":"Hard"}', ttl_ms=5000, reply_to=ADMIN
    )
    assert isinstance(outcome, Submitted)
    command = outcome.command
    assert (outcome.node, outcome.fresh, command.status) == (NODE, True, "queued")
    assert (command.tenant, command.charge_point, command.action) == (TENANT, CHARGE_POINT, "Reset")
    assert command.deadline_ms == command.created_ms + 5000
    assert abs(command.created_ms - before) < 1000
    (message,) = await woken(store)
    assert KEYS.member.encode() in message
    assert await commands.read_lists(store, lease.keys) == ([command.id], [])

    go = await commands.claim(store, lease, command.id, "nonce")
    assert isinstance(go, Go)
    assert (go.action, go.payload) == ("Reset", b'{"type":"Hard"}')
    assert 0 < go.left_ms <= 5000

    settled = await commands.settle(
        store, KEYS, command.id, status="answered", response=b'{"status":"Accepted"}'
    )
    assert settled == Settled()
    (message,) = await woken(store, ADMIN)
    assert command.id.encode() in message
    found = await current(store, command)
    assert found.status == "answered"
    assert found.response is not None
    assert bytes(found.response) == b'{"status":"Accepted"}'
    assert found.error is None
    assert found.created_ms <= (found.sent_ms or 0) <= (found.settled_ms or 0)
    assert await waiting(store) == ([], set())
    assert await told(store) == [(command.id, status) for status in ("queued", "sent", "answered")]


async def test_a_command_that_is_answered_with_a_callerror_contains_the_error_code(store: Store) -> None:
    await open_inbox(store)
    lease = await seat(store)
    command = await submitted(store)
    await commands.claim(store, lease, command.id, "nonce")
    error = b'{"code":"NotSupported","description":"","details":{}}'
    await commands.settle(store, KEYS, command.id, status="error", error=error)
    found = await current(store, command)
    assert found.error is not None
    assert bytes(found.error) == error
    assert found.response is None


async def test_an_answer_that_is_not_utf8_is_stored_in_readable_form(store: Store) -> None:
    await open_inbox(store)
    lease = await seat(store)
    command = await submitted(store)
    await commands.claim(store, lease, command.id, "nonce")
    await commands.settle(store, KEYS, command.id, status="answered", response=b'{"info":"\xff"}')
    found = await current(store, command)
    assert found.response is not None
    assert msgspec.json.decode(found.response) == {"info": "\ufffd"}


async def test_a_command_to_an_offline_or_busy_charge_point_is_stored_with_the_status_offline_or_busy(
    store: Store,
) -> None:
    unheld = await submitted(store)
    assert unheld.status == "offline"
    await open_inbox(store)
    lease = await seat(store)
    first, second, third = [await submitted(store, limit=2) for _ in range(3)]
    assert (first.status, second.status, third.status) == ("queued", "queued", "busy")
    assert (await current(store, third)).settled_ms is not None
    assert await waiting(store) == ([first.id, second.id], {first.id, second.id})
    assert len(await woken(store)) == 2
    # The limit includes commands that were sent, until their outcomes are stored.
    await commands.claim(store, lease, first.id, "nonce")
    assert (await submitted(store, limit=2)).status == "busy"
    await commands.settle(store, KEYS, first.id, status="answered")
    assert (await submitted(store, limit=2)).status == "queued"
    await store.execute("HSET", KEYS.lease, "holder", "")
    assert (await submitted(store)).status == "offline"


async def test_a_command_gets_the_status_offline_if_the_gateway_node_that_holds_the_lease_is_gone(
    store: Store,
) -> None:
    await seat(store)
    command = await submitted(store)
    assert command.status == "offline"
    assert (await current(store, command)).status == "offline"
    assert await waiting(store) == ([], set())


async def test_a_command_that_was_sent_can_be_claimed_again_only_with_the_same_nonce(store: Store) -> None:
    await open_inbox(store)
    lease = await seat(store)
    command = await submitted(store)
    for _ in range(2):
        assert isinstance(await commands.claim(store, lease, command.id, "mine"), Go)
    assert await commands.claim(store, lease, command.id, "another") == Taken("sent")
    assert [status for _, status in await told(store)] == ["queued", "sent"]


async def test_a_command_that_is_claimed_after_its_deadline_gets_the_status_expired(store: Store) -> None:
    await open_inbox(store)
    lease = await seat(store)
    command = await submitted(store, ttl_ms=1)
    # The test waits until the real deadline has passed.
    await trio.sleep(max(0.0, (command.deadline_ms - store.server_time_ms()) / 1000 + 0.1))
    assert await commands.claim(store, lease, command.id, "nonce") == Late()
    assert (await current(store, command)).status == "expired"
    assert await waiting(store) == ([], set())


async def test_a_command_that_is_claimed_again_after_its_deadline_gets_the_status_expired(
    store: Store,
) -> None:
    """A session that repeats its claim with the same nonce has not sent the command yet."""
    await open_inbox(store)
    lease = await seat(store)
    command = await submitted(store)
    await commands.claim(store, lease, command.id, "mine")
    await make_overdue(store, command.id)
    assert await commands.claim(store, lease, command.id, "another") == Taken("sent")
    assert await commands.claim(store, lease, command.id, "mine") == Late()
    assert (await current(store, command)).status == "expired"


async def test_a_command_can_be_claimed_only_by_the_lease_holder_but_its_result_can_be_stored_by_any_session(
    store: Store,
) -> None:
    await open_inbox(store)
    old = await seat(store)
    sent, queued = await submitted(store), await submitted(store)
    await commands.claim(store, old, sent.id, "nonce")
    new = await seat(store, epoch=2)
    with pytest.raises(Superseded):
        await commands.claim(store, old, queued.id, "nonce")
    assert await commands.settle(store, KEYS, sent.id, status="answered") == Settled()
    await store.execute("DEL", KEYS.lease)
    with pytest.raises(LeaseLost):
        await commands.claim(store, new, queued.id, "nonce")


async def test_a_command_that_is_given_back_can_be_claimed_like_a_new_one(store: Store) -> None:
    await open_inbox(store)
    await open_inbox(store, ADMIN)
    old = await seat(store)
    command = await submitted(store)
    await commands.claim(store, old, command.id, "old")
    new = await seat(store, epoch=2)
    assert await commands.give_back(store, KEYS, command.id, "old")
    assert not await commands.give_back(store, KEYS, command.id, "old")
    assert (await current(store, command)).sent_ms is None
    assert await commands.mark_unknown(store, new, [command.id]) == []
    assert isinstance(await commands.claim(store, new, command.id, "new"), Go)
    assert not await commands.give_back(store, KEYS, command.id, "old")
    assert [status for _, status in await told(store)] == ["queued", "sent", "queued", "sent"]
    assert await waiting(store) == ([command.id], {command.id})
    assert await woken(store, ADMIN) == []


async def test_a_command_that_was_not_written_expires_and_wakes_the_process_that_waits(store: Store) -> None:
    await open_inbox(store)
    await open_inbox(store, ADMIN)
    lease = await seat(store)
    command = await submitted(store)
    await commands.claim(store, lease, command.id, "mine")
    await make_overdue(store, command.id)
    await commands.end_overdue(store, KEYS, command.id)
    assert (await current(store, command)).status == "timeout"
    assert await commands.claim(store, lease, command.id, "another") == Taken("timeout")
    assert not await commands.give_back(store, KEYS, command.id, "mine")
    found = await current(store, command)
    assert (found.status, found.sent_ms) == ("expired", None)
    assert command.id.encode() in b" ".join(await woken(store, ADMIN))


@pytest.mark.parametrize("waited", ["timeout", "unknown"])
@pytest.mark.parametrize("result", ["answered", "error"])
async def test_a_late_answer_replaces_the_status_timeout_or_unknown_and_is_then_final(
    store: Store, waited: Status, result: Status
) -> None:
    await open_inbox(store)
    lease = await seat(store)
    command = await submitted(store)
    await commands.claim(store, lease, command.id, "nonce")
    await commands.settle(store, KEYS, command.id, status=waited)
    assert await commands.settle(store, KEYS, command.id, status=result) == Settled()
    for after in ("answered", "error", "timeout", "expired"):
        assert await commands.settle(store, KEYS, command.id, status=after) == Taken(result)
    assert (await current(store, command)).status == result


async def test_a_process_that_waits_for_a_command_is_woken_when_the_status_of_the_command_becomes_unknown(
    store: Store,
) -> None:
    await open_inbox(store)
    await open_inbox(store, ADMIN)
    old = await seat(store)
    sent, queued = await submitted(store), await submitted(store)
    await commands.claim(store, old, sent.id, "nonce")
    new = await seat(store, epoch=2)
    assert await commands.mark_unknown(store, new, [sent.id, queued.id]) == [sent.id]
    assert await commands.read_lists(store, new.keys) == ([queued.id], [])
    (message,) = await woken(store, ADMIN)
    assert sent.id.encode() in message
    assert await commands.mark_unknown(store, new, [sent.id, queued.id]) == []


async def test_a_request_with_a_used_idempotency_key_gets_the_first_command_or_a_conflict(
    store: Store,
) -> None:
    await open_inbox(store)
    await seat(store)
    first = await commands.submit(
        store,
        TENANT,
        CHARGE_POINT,
        action="Reset",
        payload=b'{"a":1,"b":2}',
        ttl_ms=5000,
        reply_to=ADMIN,
        idempotency_key="k/1",
    )
    assert isinstance(first, Submitted)
    again = await commands.submit(
        store,
        TENANT,
        CHARGE_POINT,
        action="Reset",
        payload=b'{ "b": 2, "a": 1 }',
        ttl_ms=9000,
        reply_to=ADMIN,
        idempotency_key="k/1",
    )
    assert isinstance(again, Submitted)
    assert again == Submitted(first.command, None, fresh=False, left_ms=again.left_ms)
    assert 0 < again.left_ms <= again.command.deadline_ms - again.command.created_ms
    assert len(await woken(store)) == 1
    for action, payload in (("Reset", b'{"a":1,"b":3}'), ("ClearCache", b'{"a":1,"b":2}')):
        other = await commands.submit(
            store,
            TENANT,
            CHARGE_POINT,
            action=action,
            payload=payload,
            ttl_ms=5000,
            reply_to=ADMIN,
            idempotency_key="k/1",
        )
        assert other == Conflict(first.command.id)
    assert (await submitted(store, idempotency_key="k/2")).id != first.command.id
    assert (await submitted(store)).id != (await submitted(store)).id


async def test_the_record_of_a_command_is_kept_for_a_day_after_its_outcome_is_stored(store: Store) -> None:
    await open_inbox(store)
    lease = await seat(store)
    command = await submitted(store, ttl_ms=60_000)
    key = KEYS.command(command.id)
    assert KEPT_MS + 55_000 < await store.execute("PTTL", key) <= KEPT_MS + 60_000
    await commands.claim(store, lease, command.id, "nonce")
    await commands.settle(store, KEYS, command.id, status="answered")
    assert KEPT_MS - 5000 < await store.execute("PTTL", key) <= KEPT_MS
    refused = await submitted(store, limit=1, idempotency_key="x")
    await store.execute("DEL", KEYS.command(refused.id))
    assert await commands.get(store, TENANT, refused.id) is None
    # The next claim removes the command from the lists in which it still is.
    assert await commands.claim(store, lease, refused.id, "nonce") == Gone()
    assert await waiting(store) == ([], set())


async def test_a_command_cannot_be_read_or_changed_by_another_tenant_or_charge_point(store: Store) -> None:
    await open_inbox(store)
    lease = await seat(store)
    command = await submitted(store)
    assert await commands.get(store, "other", command.id) is None
    for bad in ("", "zz", "+1.aaaaaaaaaaaaaaaaaaaaaa", command.id + "x", f"0{command.id}", "ü" * 25):
        assert await commands.get(store, TENANT, bad) is None
        assert await commands.claim(store, lease, bad, "nonce") == Gone()
        assert await commands.settle(store, KEYS, bad, status="answered") == Gone()
    # Another charge point cannot use the command, even if it is in the same partition.
    name = next(
        name
        for name in map(str, range(100_000))
        if keys.partition_of(TENANT, name) == KEYS.partition and name != CHARGE_POINT
    )
    neighbour = await seat(store, of=ChargePointKeys(TENANT, name))
    assert await commands.claim(store, neighbour, command.id, "nonce") == Gone()
    assert await commands.settle(store, neighbour.keys, command.id, status="offline") == Gone()
    assert await waiting(store) == ([command.id], {command.id})
    assert (await current(store, command)).status == "queued"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"action": "Reset\r\n"}, "letters"),
        ({"action": ""}, "letters"),
        ({"action": 'R","x":"'}, "letters"),
        ({"payload": b"{"}, "not JSON"),
        ({"payload": b'"' + b"x" * 70_000 + b'"'}, "at most"),
        ({"ttl_ms": 0}, "may live"),
        ({"ttl_ms": 10**12}, "may live"),
    ],
)
async def test_an_invalid_command_is_refused_with_the_reason(
    store: Store, given: dict[str, object], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        await submitted(store, **given)


async def test_a_secret_in_a_payload_does_not_appear_in_events_or_inboxes_or_reprs(store: Store) -> None:
    await open_inbox(store)
    await open_inbox(store, ADMIN)
    lease = await seat(store)
    secret = b"4f43415f4f4354545f61646d696e5f74"
    payload = msgspec.json.encode({"key": "AuthorizationKey", "value": secret.decode()})
    command = await submitted(store, action="ChangeConfiguration", payload=payload)
    go = await commands.claim(store, lease, command.id, "nonce")
    await commands.settle(store, KEYS, command.id, status="answered", response=b'{"status":"Accepted"}')
    streams = [KEYS.events, keys.inbox(NODE), keys.inbox(ADMIN)]
    written = [await store.execute("XRANGE", stream, "-", "+") for stream in streams]
    assert all(written)
    for text in (*map(repr, written), repr(command), repr(go)):
        assert secret.decode() not in text
