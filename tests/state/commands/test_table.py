"""For every pair of statuses, the Lua steps allow exactly the changes in the table of
state/commands/table.py.
"""

from typing import get_args

import pytest

from state import charge_points, commands
from state.charge_points import Settings
from state.commands import Go, Late, Settled, Taken, sweep, table
from state.commands.table import TABLE, WAITING, Status
from state.nodes.leases import Lease
from state.store import Store
from tests.support.commands import (
    CHARGE_POINT,
    KEYS,
    TENANT,
    make_overdue,
    open_inbox,
    seat,
    submitted,
    told,
    waiting,
    waiting_online,
)

STATUSES: tuple[Status, ...] = get_args(Status)
FIRST: frozenset[Status] = frozenset({"waiting", "queued", "offline", "busy"})
"""Statuses that a new command may have."""


async def command_that_is(store: Store, status: Status) -> tuple[Lease, str]:
    """Put a command into this status, as if a session had claimed the command with the nonce "first"."""
    await open_inbox(store)
    await charge_points.put(store, TENANT, CHARGE_POINT, Settings())
    lease = await seat(store)
    id_ = (await submitted(store, waits_ms=60_000 if status == "waiting" else None)).id
    claimed = {"nonce": "first", "epoch": "1"} if status not in FIRST else {}
    for field, value in {"status": status, **claimed}.items():
        await store.execute("HSET", KEYS.command(id_), field, value)
    if status not in WAITING:
        await store.execute("DEL", KEYS.pending)
        await store.execute("DEL", KEYS.overdue)
    await store.execute("DEL", KEYS.events)
    return lease, id_


async def check(store: Store, id_: str, before: Status, after: Status) -> None:
    """Check the status of a command, the lists that it is in and its events."""
    command = await commands.get(store, TENANT, id_)
    assert command is not None
    assert command.status == after
    expected = [id_] if after in WAITING - {"waiting"} else []
    assert await waiting(store) == (expected, set(expected))
    expected = [id_] if after == "waiting" else []
    assert await waiting_online(store) == (expected, set(expected))
    assert await told(store) == ([] if before == after else [(id_, after)])


def test_the_status_table_contains_every_status_and_no_change_from_a_final_to_a_pending_status() -> None:
    assert set(TABLE) == set(STATUSES)
    # Only a command that was claimed and not written returns to an earlier status.
    again: set[Status] = {"waiting", "queued"}
    assert not FIRST & {after for moves in TABLE.values() for after in moves} - {"offline", *again}
    assert [before for before in TABLE if TABLE[before] & again] == ["sent"]
    # A command that has left the list `pending` never returns to it.
    assert all(not TABLE[status] & WAITING for status in TABLE if status not in WAITING)


def test_a_script_cannot_be_given_a_status_change_that_the_status_table_does_not_allow() -> None:
    with pytest.raises(ValueError, match="never goes from answered to timeout"):
        table.text({"answered": "timeout"})
    for before in STATUSES:
        for after in STATUSES:
            assert (before in table.moves_to(after)) == (after in TABLE[before])


@pytest.mark.parametrize("before", STATUSES)
async def test_an_outcome_changes_the_status_of_a_command_only_as_the_status_table_allows(
    store: Store, before: Status
) -> None:
    for after in STATUSES:
        await store.execute("FLUSHALL")
        _, id_ = await command_that_is(store, before)
        if after in WAITING:
            with pytest.raises(ValueError, match="a command cannot end as"):
                await commands.settle(store, KEYS, id_, status=after)
            continue
        outcome = await commands.settle(store, KEYS, id_, status=after)
        if after in TABLE[before]:
            assert outcome == Settled()
            await check(store, id_, before, after)
        else:
            assert outcome == Taken(before)
            await check(store, id_, before, before)


@pytest.mark.parametrize("before", STATUSES)
async def test_a_claim_changes_the_status_of_a_command_only_as_the_status_table_allows(
    store: Store, before: Status
) -> None:
    lease, id_ = await command_that_is(store, before)
    outcome = await commands.claim(store, lease, id_, "second")
    if "sent" in TABLE[before]:
        assert isinstance(outcome, Go)
        await check(store, id_, before, "sent")
    else:
        assert outcome == Taken(before)
        await check(store, id_, before, before)


@pytest.mark.parametrize("before", STATUSES)
async def test_a_claim_after_the_deadline_changes_the_status_of_a_command_only_as_the_status_table_allows(
    store: Store, before: Status
) -> None:
    lease, id_ = await command_that_is(store, before)
    await make_overdue(store, id_)
    outcome = await commands.claim(store, lease, id_, "first")
    after = table.LATE.get(before, before)
    assert outcome == (Taken(before) if after == before else Late())
    await check(store, id_, before, after)


@pytest.mark.parametrize("overdue", [False, True])
@pytest.mark.parametrize("before", STATUSES)
async def test_giving_a_command_back_changes_its_status_only_as_the_status_table_allows(
    store: Store, before: Status, *, overdue: bool
) -> None:
    _, id_ = await command_that_is(store, before)
    assert not await commands.give_back(store, KEYS, id_, "second")
    await check(store, id_, before, before)
    if overdue:
        await make_overdue(store, id_)
    mine = {} if before in FIRST else table.LATE if overdue else table.UNWRITTEN
    after = mine.get(before, before)
    assert await commands.give_back(store, KEYS, id_, "first") == (after == "queued" != before)
    await check(store, id_, before, after)


@pytest.mark.parametrize("before", STATUSES)
async def test_the_sweep_changes_the_status_of_a_command_only_as_the_status_table_allows(
    store: Store, before: Status
) -> None:
    _, id_ = await command_that_is(store, before)
    assert await sweep.sweep_overdue(store) == 0
    await check(store, id_, before, before)
    await make_overdue(store, id_)
    after = table.OVERDUE.get(before, before)
    assert await sweep.sweep_overdue(store) == (after != before)
    await check(store, id_, before, after)


@pytest.mark.parametrize("before", STATUSES)
async def test_a_new_session_changes_the_status_of_a_command_only_as_the_status_table_allows(
    store: Store, before: Status
) -> None:
    lease, id_ = await command_that_is(store, before)
    assert await commands.mark_unknown(store, lease, [id_]) == []
    await check(store, id_, before, before)
    successor = await seat(store, epoch=2)
    after = table.ORPHANED.get(before, before)
    assert await commands.mark_unknown(store, successor, [id_]) == ([] if after == before else [id_])
    await check(store, id_, before, after)
