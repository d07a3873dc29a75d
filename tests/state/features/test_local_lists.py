"""The desired local list of a charge point, and the accepted list, which may be out of date (stale)."""

import pytest
import trio

from state import charge_points
from state.features import local_lists
from state.features.local_list_entries import Entries, Entry, Line
from state.features.local_lists import Desired, TooLong
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.store import Store
from state.tenants.id_tags import fold
from tests.support.transactions import claimed, events

KEYS = ChargePointKeys("demo", "CP.1")


@pytest.fixture
async def store(store: Store) -> Store:
    """Open a store in which the charge point is registered."""
    await store.execute("HSET", KEYS.record, "registered_ms", 1)
    return store


def a_list(*entries: Entry) -> Entries:
    return {fold(entry.id_tag): entry for entry in entries}


def lines(*entries: Entry) -> list[Line]:
    return [(entry.id_tag, entry) for entry in entries]


A, B, C = Entry("Aa"), Entry("Bb", "Blocked"), Entry("Cc", "Accepted", "2030-01-01T00:00:00Z", "P")


async def accept(store: Store, command: str, version: int, *update: Line, full: bool = False) -> None:
    await local_lists.record_accepted(
        store,
        KEYS,
        command,
        update_type="Full" if full else "Differential",
        list_version=version,
        lines=update,
    )


async def refuse(store: Store, status: str, version: int) -> None:
    await local_lists.record_refused(
        store,
        KEYS,
        "00.refused",
        status=status,  # type: ignore[arg-type]  # parametrised
        update_type="Differential",
        list_version=version,
    )


async def event_kinds(store: Store) -> list[str]:
    return [kind for kind, _ in await events(store, Lease(KEYS, "node/1", 1))]


async def is_stale(store: Store) -> bool:
    found = (await local_lists.read_heads(store, KEYS)).accepted
    assert found is not None
    return found.stale


async def test_nothing_is_known_of_the_local_list_of_a_new_charge_point(store: Store) -> None:
    found = await local_lists.read(store, KEYS)
    assert (found.desired, found.accepted) == ({}, {})
    assert found.heads == local_lists.Heads()
    assert (found.heads.known, found.heads.last_version, found.heads.next_version) == (False, 0, 1)


async def test_each_edit_of_the_desired_local_list_raises_its_revision(store: Store) -> None:
    first = await local_lists.replace(store, KEYS, a_list(A, B))
    assert isinstance(first, Desired)
    assert (first.revision, first.count) == (1, 2)
    second = await local_lists.edit(store, KEYS, [("AA", None), ("unknown", None), *lines(C)])
    found = await local_lists.read(store, KEYS)
    assert found.heads.desired == second
    assert found.desired == a_list(B, C)
    assert isinstance(second, Desired)
    assert (second.revision, second.count) == (2, 2)
    assert second.edited_ms is not None
    assert await event_kinds(store) == []


async def test_simultaneous_edits_of_a_desired_local_list_are_all_stored(store: Store) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(local_lists.edit, store, KEYS, lines(Entry(f"tag {number}")))
    found = await local_lists.read(store, KEYS)
    assert (len(found.desired), found.heads.desired.revision) == (8, 8)


async def test_a_local_list_has_at_most_10_000_entries(store: Store) -> None:
    many = a_list(*(Entry(f"tag {number}") for number in range(10_000)))
    assert await local_lists.replace(store, KEYS, many | a_list(A)) == TooLong(10_001)
    assert (await local_lists.read_heads(store, KEYS)).desired == Desired()
    assert isinstance(await local_lists.replace(store, KEYS, many), Desired)
    assert await local_lists.edit(store, KEYS, lines(A)) == TooLong(10_001)
    assert isinstance(await local_lists.edit(store, KEYS, [("TAG 1", None), *lines(A)]), Desired)


async def test_a_full_update_replaces_the_whole_local_list_and_a_differential_update_changes_entries(
    store: Store,
) -> None:
    await accept(store, "00.1", 1, *lines(A, B), full=True)
    await accept(store, "00.2", 2, ("AA", None), *lines(C))
    found = await local_lists.read(store, KEYS)
    assert found.accepted == a_list(B, C)
    head = found.heads.accepted
    assert head is not None
    assert (head.list_version, head.update_type, head.command_id) == (2, "Differential", "00.2")
    assert (head.count, head.stale) == (2, False)
    assert found.heads.known
    await accept(store, "00.3", 3, *lines(A), full=True)
    assert (await local_lists.read(store, KEYS)).accepted == a_list(A)
    await accept(store, "00.4", 4, full=True)
    assert (await local_lists.read(store, KEYS)).accepted == {}
    (kind, data) = (await events(store, Lease(KEYS, "node/1", 1)))[1]
    assert kind == "local_list.accepted"
    assert data == {"command": "00.2", "update_type": "Differential", "list_version": 2, "entries": 2}


async def test_an_accepted_local_list_update_has_its_effect_only_once(store: Store) -> None:
    await accept(store, "00.1", 1, *lines(A), full=True)
    for _ in range(2):
        await accept(store, "00.2", 2, *lines(B))
    assert await event_kinds(store) == ["local_list.accepted"] * 2


async def test_a_list_that_was_unknown_before_a_differential_update_is_marked_uncertain_until_a_full_update(
    store: Store,
) -> None:
    await accept(store, "00.1", 5, *lines(A))
    assert await is_stale(store)
    await local_lists.record_reported(store, KEYS, 5)
    assert await is_stale(store)
    await accept(store, "00.2", 6, *lines(B), full=True)
    assert not await is_stale(store)


async def test_an_id_tag_without_info_in_a_full_list_is_ignored(store: Store) -> None:
    await accept(store, "00.1", 1, ("Aa", None), *lines(B), full=True)
    assert (await local_lists.read(store, KEYS)).accepted == a_list(B)


async def test_an_accepted_local_list_of_more_than_10_000_entries_is_cut_and_marked_as_uncertain(
    store: Store,
) -> None:
    many = lines(*(Entry(f"{number:05}") for number in range(9_999)))
    await accept(store, "00.1", 1, *many, full=True)
    await accept(store, "00.2", 2, *lines(A, B))
    found = await local_lists.read(store, KEYS)
    assert len(found.accepted) == 10_000
    assert await is_stale(store)


@pytest.mark.parametrize(
    ("status", "version", "stale"),
    [
        ("Failed", 6, True),
        ("VersionMismatch", 6, True),
        ("VersionMismatch", 5, False),
        ("NotSupported", 6, False),
    ],
)
async def test_a_refused_local_list_update_is_remembered_and_may_make_the_stored_list_uncertain(
    store: Store, status: str, version: int, *, stale: bool
) -> None:
    await accept(store, "00.1", 5, *lines(A), full=True)
    for _ in range(2):
        await refuse(store, status, version)
    found = await local_lists.read(store, KEYS)
    assert found.accepted == a_list(A)
    assert found.heads.answer is not None
    assert (found.heads.answer.status, found.heads.answer.list_version) == (status, version)
    assert await is_stale(store) is stale
    assert await event_kinds(store) == ["local_list.accepted", *(["local_list.stale"] if stale else [])]


async def test_the_stored_list_becomes_uncertain_if_the_charge_point_reports_another_list_version(
    store: Store,
) -> None:
    await local_lists.record_reported(store, KEYS, -1)
    found = await local_lists.read_heads(store, KEYS)
    assert found.reported is not None
    assert (found.reported.list_version, found.last_version, found.next_version) == (-1, 0, 1)
    await accept(store, "00.1", 5, *lines(A), full=True)
    await local_lists.record_reported(store, KEYS, 5)
    assert not await is_stale(store)
    await local_lists.record_reported(store, KEYS, 9)
    assert await is_stale(store)
    found = await local_lists.read_heads(store, KEYS)
    assert (found.known, found.last_version, found.next_version) == (False, 9, 10)
    kinds = await events(store, Lease(KEYS, "node/1", 1))
    assert kinds[-1] == ("local_list.stale", {"list_version": 5, "reported_version": 9})


async def test_the_list_version_1_follows_the_highest_possible_list_version(store: Store) -> None:
    await local_lists.record_reported(store, KEYS, 2**31 - 1)
    assert (await local_lists.read_heads(store, KEYS)).next_version == 1


async def test_the_desired_and_the_accepted_local_list_are_deleted_when_the_charge_point_is_deleted(
    store: Store,
) -> None:
    lease = await claimed(store)
    await local_lists.replace(store, KEYS, a_list(A))
    await accept(store, "00.1", 1, *lines(A), full=True)
    await store.execute("HSET", lease.keys.lease, "holder", "", "node", "")
    await charge_points.delete(store, "demo", "CP.1")
    assert await local_lists.read_heads(store, KEYS) == local_lists.Heads()
