"""The stored charging profiles (the mirror): which profiles are replaced, cleared or ended."""

from typing import Any

import pytest

from state import transactions
from state.features.charging_profiles import Mirror
from state.store import Store
from state.transactions import running
from tests.state.features.profiles_of_one import (
    COMMAND,
    DEFAULT,
    KEYS,
    MAX,
    TX,
    clear,
    ids,
    install,
    read,
    start,
)
from tests.support.transactions import a_start, a_stop, claimed, events


async def test_an_accepted_charging_profile_is_stored_as_it_was_sent(store: Store) -> None:
    assert await read(store) == Mirror((), (), ())
    before_ms = store.server_time_ms() - 100
    assert await install(store, -7, 2, MAX, 3, command_id=COMMAND) == ()
    [profile] = (await read(store)).profiles
    assert (profile.id, profile.slot, profile.command_id) == (-7, (2, MAX, 3), COMMAND)
    assert profile.payload == b'{"chargingProfileId":-7}'
    assert before_ms < profile.accepted_ms < before_ms + 60_000
    assert profile.transaction_id is None
    assert profile.doubt is None


async def test_a_charging_profile_replaces_the_profile_with_the_same_id_on_any_connector(
    store: Store,
) -> None:
    await install(store, 1, 1, DEFAULT, 0)
    assert await install(store, 1, 0, MAX, 5) == ()
    [profile] = (await read(store)).profiles
    assert profile.slot == (0, MAX, 5)


async def test_a_charging_profile_replaces_one_with_the_same_purpose_and_level_only_on_the_same_connector(
    store: Store,
) -> None:
    for id_, slot in enumerate(
        [(0, DEFAULT, 0), (0, MAX, 0), (1, DEFAULT, 0), (2, DEFAULT, 0), (1, DEFAULT, 1)]
    ):
        assert await install(store, id_, *slot) == ()
    assert await install(store, 9, 1, DEFAULT, 0) == (2,)
    assert await ids(store) == [0, 1, 3, 4, 9]
    assert await install(store, 8, 0, DEFAULT, 0) == (0,)
    assert await ids(store) == [1, 3, 4, 8, 9]


async def test_one_charging_profile_may_replace_two_others_if_it_has_the_id_of_one_and_the_level_of_the_other(
    store: Store,
) -> None:
    await install(store, 1, 1, DEFAULT, 0)
    await install(store, 2, 1, DEFAULT, 1)
    assert await install(store, 1, 1, DEFAULT, 1) == (2,)
    assert await ids(store) == [1]


async def test_a_charging_profile_that_is_stored_twice_for_the_same_command_changes_nothing_the_second_time(
    store: Store,
) -> None:
    lease = await claimed(store)
    await install(store, 1, command_id=COMMAND)
    first = await read(store)
    assert await install(store, 1, command_id=COMMAND) == ()
    assert await read(store) == first
    told = [data for kind, data in await events(store, lease) if kind == "charging_profile.installed"]
    assert told == [{"charging_profile_id": 1, "connector_id": 1, "replaced": []}]


@pytest.mark.parametrize(
    ("which", "gone"),
    [
        ({}, [1, 2, 3, 4]),
        ({"id": 2}, [2]),
        ({"id": 2, "connector_id": 9, "purpose": MAX}, [2]),
        ({"id": 9}, []),
        ({"connector_id": 0}, [1, 2]),
        ({"purpose": DEFAULT}, [2, 3, 4]),
        ({"stack_level": 0}, [1, 2, 3]),
        ({"connector_id": 1, "purpose": DEFAULT, "stack_level": 1}, [4]),
        ({"connector_id": 1, "purpose": MAX}, []),
    ],
)
async def test_a_clear_command_removes_the_profile_with_its_id_or_all_profiles_that_match_its_other_fields(
    store: Store, which: dict[str, Any], gone: list[int]
) -> None:
    for id_, slot in enumerate([(0, MAX, 0), (0, DEFAULT, 0), (1, DEFAULT, 0), (1, DEFAULT, 1)], 1):
        await install(store, id_, *slot)
    assert await clear(store, **which) == gone
    assert await ids(store) == [id_ for id_ in (1, 2, 3, 4) if id_ not in gone]
    assert await clear(store, **which) == []
    told = [data for kind, data in await events(store, await claimed(store)) if kind.endswith(".cleared")]
    assert [sorted(one["charging_profile_ids"]) for one in told] == ([gone] if gone else [])


async def test_a_tx_profile_is_removed_when_its_transaction_ends(store: Store) -> None:
    lease = await claimed(store)
    one, two = await start(store, lease), await start(store, lease, connector_id=2)
    await install(store, 1, 1, TX, transaction_id=one)
    await install(store, 2, 1, TX, 1)
    await install(store, 3, 2, TX, transaction_id=two)
    await install(store, 4, 1, DEFAULT)
    assert [profile.transaction_id for profile in (await read(store)).profiles] == [one, one, two, None]
    await transactions.stop(store, lease, a_stop(one), b"")
    assert await ids(store) == [3, 4]
    await transactions.stop(store, lease, a_stop(two), b"")
    assert await ids(store) == [4]


async def test_a_tx_profile_of_an_ended_transaction_is_not_stored(store: Store) -> None:
    lease = await claimed(store)
    ended = await start(store, lease)
    await transactions.stop(store, lease, a_stop(ended), b"")
    assert await install(store, 1, 1, TX, transaction_id=ended) is None
    assert await ids(store) == []


async def test_a_tx_profile_that_names_no_transaction_is_removed_when_a_transaction_on_its_connector_ends(
    store: Store,
) -> None:
    lease = await claimed(store)
    await install(store, 1, 1, TX)
    await install(store, 2, 2, TX)
    transaction = await start(store, lease)
    await transactions.stop(store, lease, a_stop(transaction), b"")
    assert await ids(store) == [2]
    await install(store, 3, 1, TX)
    await transactions.stop(store, lease, a_stop(transaction), b"")  # A repeated stop removes no profile.
    assert await ids(store) == [2, 3]


async def test_a_tx_profile_is_marked_as_doubtful_unless_its_transaction_is_known_to_be_running(
    store: Store,
) -> None:
    lease = await claimed(store)
    first = await start(store, lease)
    await install(store, 1, purpose=TX, transaction_id=first)
    await install(store, 2, purpose=TX, level=1)
    assert [one.doubt for one in (await read(store)).profiles] == [None, None]
    # After a power failure, some charge points begin a new transaction and never stop the interrupted one.
    second = await start(store, lease, meter_start=7)
    await install(store, 3, purpose=TX, level=2, transaction_id=second)
    await install(store, 4, 2, TX, transaction_id=5)
    mirror = await read(store)
    assert [one.doubt and one.doubt.why for one in mirror.profiles] == [
        *("not_running", "not_running", None, "not_running")
    ]
    assert [doubt.profile_id for doubt in mirror.all_doubts] == [1, 2, 4]
    await transactions.stop(store, lease, a_stop(first), b"")
    assert await ids(store) == [3, 4]


async def test_a_stop_of_an_unknown_transaction_removes_the_tx_profile_that_names_the_transaction(
    store: Store,
) -> None:
    lease = await claimed(store)
    await install(store, 1, 1, TX, transaction_id=77)
    await install(store, 2, 1, TX, 1)
    assert isinstance(await transactions.stop(store, lease, a_stop(77), b""), transactions.Orphaned)
    assert await ids(store) == [2]


async def test_at_most_200_charging_profiles_are_stored_and_a_further_profile_is_stored_only_as_a_doubt(
    store: Store,
) -> None:
    for id_ in range(200):
        assert await install(store, id_, level=id_) == ()
    assert await install(store, 200, level=200) is None
    assert await install(store, 201, level=5) == (5,)
    mirror = await read(store)
    assert len(mirror.profiles) == 200
    [doubt] = mirror.doubts
    assert (doubt.profile_id, doubt.why, doubt.command_id) == (200, "full", None)


async def test_the_list_of_running_transactions_has_the_open_transaction_of_each_connector(
    store: Store,
) -> None:
    lease = await claimed(store)
    assert await running.list_running(store, "demo", "CP.1") == []
    one, two = await start(store, lease), await start(store, lease, connector_id=2)
    found = await running.list_running(store, "demo", "CP.1")
    fact = a_start()
    assert sorted(found) == [
        (1, one, fact.started_ms, fact.received_ms),
        (2, two, fact.started_ms, fact.received_ms),
    ]
    await transactions.stop(store, lease, a_stop(one), b"")
    assert [found.id for found in await running.list_running(store, "demo", "CP.1")] == [two]


async def test_deleting_a_charge_point_deletes_its_charging_profiles_and_the_doubts_about_them() -> None:
    assert {KEYS.charging_profiles, KEYS.charging_profile_doubts, KEYS.charging_profile_promises} < set(
        KEYS.deleted_with_it
    )
