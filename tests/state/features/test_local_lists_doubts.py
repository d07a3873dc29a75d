"""After an update with an unknown result, the list is in doubt until a late answer or a Full list arrives."""

import pytest

from state import charge_points, commands
from state.commands.table import Status
from state.features import local_lists
from state.features.local_list_entries import Entry
from state.store import Store
from tests.support.commands import open_inbox
from tests.support.leases import KEYS, claimed, events

NAME = ("acme", "CP-1")
A, B = Entry("A"), Entry("B")


async def accept(store: Store, command: str, version: int, *entries: Entry, full: bool) -> None:
    await local_lists.record_accepted(
        store,
        KEYS,
        command,
        update_type="Full" if full else "Differential",
        list_version=version,
        lines=[(entry.id_tag, entry) for entry in entries],
    )


async def send(store: Store, status: Status, action: str = "SendLocalList") -> str:
    """Send a command that ends with this status. Returns the id of the command."""
    lease = (await claimed(store, "a/1")).lease  # The same claim again gets the same lease.
    made = await commands.submit(store, *NAME, action=action, payload=b"{}", ttl_ms=9_000, reply_to="")
    assert isinstance(made, commands.Submitted)
    id_ = made.command.id
    assert isinstance(await commands.claim(store, lease, id_, "nonce"), commands.Go)
    await commands.settle(store, KEYS, id_, status=status, error=b"{}" if status == "error" else None)
    return id_


async def is_known(store: Store) -> bool:
    return (await local_lists.read_heads(store, KEYS)).known


@pytest.fixture
async def store(store: Store) -> Store:
    """A store with a charge point that accepted a list with the entry A."""
    await claimed(store, "a/1")
    await open_inbox(store, "a")
    await accept(store, "00.first", 1, A, full=True)
    return store


@pytest.mark.parametrize("status", ["timeout", "unknown", "error"])
async def test_a_local_list_update_with_an_unknown_result_makes_the_list_uncertain_until_a_full_update(
    store: Store, status: Status
) -> None:
    id_ = await send(store, status)
    assert not await is_known(store)
    found = await local_lists.read(store, KEYS)
    assert not found.heads.known
    assert list(found.accepted) == ["a"]
    stale = {"list_version": 1, "command": id_, "status": status}
    assert [data for kind, data in await events(store) if kind == "local_list.stale"] == [stale]
    await accept(store, "00.next", 2, B, full=False)
    assert not await is_known(store)
    await accept(store, "00.full", 3, B, full=True)
    assert await is_known(store)


async def test_the_local_list_is_certain_again_after_a_late_answer_to_its_update(store: Store) -> None:
    id_ = await send(store, "timeout")
    await accept(store, id_, 2, B, full=False)
    assert await is_known(store)
    assert list((await local_lists.read(store, KEYS)).accepted) == ["a", "b"]
    id_ = await send(store, "timeout")
    await commands.settle(store, KEYS, id_, status="answered", response=b'{"status":"VersionMismatch"}')
    assert await is_known(store)


async def test_the_local_list_stays_uncertain_after_late_answers_to_two_updates(
    store: Store,
) -> None:
    first, second = await send(store, "timeout"), await send(store, "unknown")
    for late in (first, second):
        await commands.settle(store, KEYS, late, status="answered", response=b"{}")
        assert not await is_known(store)
    stale = [data for kind, data in await events(store) if kind == "local_list.stale"]
    assert [data["command"] for data in stale] == [first]


async def test_other_commands_and_deletions_do_not_make_a_local_list_uncertain(
    store: Store,
) -> None:
    await send(store, "timeout", "GetLocalListVersion")
    assert await is_known(store)
    id_ = await send(store, "timeout")
    assert await charge_points.delete(store, *NAME)
    await commands.settle(store, KEYS, id_, status="answered")
    assert await store.execute("EXISTS", KEYS.local_list) == 0
