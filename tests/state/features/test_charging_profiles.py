"""The stored charging profiles (the mirror): which profiles are replaced, cleared, ended or in doubt."""

from typing import Any

import msgspec
import pytest

from state import commands, transactions
from state.commands import sweep
from state.features import charging_profiles
from state.features.charging_profiles import Mirror, Slot, Which
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.store import Store
from state.transactions import remote_starts, running
from tests.support.transactions import ANSWER, a_start, a_stop, claimed, events

KEYS = ChargePointKeys("demo", "CP.1")
MAX, DEFAULT, TX = "ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"
COMMAND = commands.command_id(KEYS.partition, "one")


async def read(store: Store) -> Mirror:
    return await charging_profiles.read(store, "demo", "CP.1")


async def ids(store: Store) -> list[int]:
    return [profile.id for profile in (await read(store)).profiles]


async def install(
    store: Store, id_: int, connector: int = 1, purpose: str = DEFAULT, level: int = 0, **more: Any
) -> tuple[int, ...] | None:
    return await charging_profiles.install(
        store, KEYS, id_, Slot(connector, purpose, level), b'{"chargingProfileId":%d}' % id_, **more
    )


async def clear(store: Store, **which: Any) -> list[int]:
    return sorted(await charging_profiles.clear(store, KEYS, Which(**which)))


async def start(store: Store, lease: Lease, **changes: Any) -> int:
    started = await transactions.start(store, lease, a_start(**changes), ANSWER)
    return started.id


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


async def send(store: Store, lease: Lease, action: str, payload: Any, key: str | None = None) -> str:
    submitted = await commands.submit(
        store,
        "demo",
        "CP.1",
        action=action,
        payload=msgspec.json.encode(payload),
        ttl_ms=60_000,
        reply_to="",
        idempotency_key=key,
    )
    assert isinstance(submitted, commands.Submitted)
    # There is no node, so the command is `offline`. The test sets the status that a session would have given
    # to the command.
    keys = lease.keys
    await store.execute(
        "HSET", keys.command(submitted.command.id), "status", "sent", "sent_ms", 1, "epoch", 1
    )
    return submitted.command.id


def setting(id_: int) -> Any:
    return {"connectorId": 1, "csChargingProfiles": {"chargingProfileId": id_, "stackLevel": 0}}


@pytest.mark.parametrize("status", ["timeout", "unknown"])
async def test_a_doubt_about_a_profile_is_stored_while_it_is_unknown_whether_a_command_was_carried_out(
    store: Store, status: Any
) -> None:
    lease = await claimed(store)
    await install(store, 1)
    id_ = await send(store, lease, "SetChargingProfile", setting(1))
    await commands.settle(store, KEYS, id_, status=status)
    mirror = await read(store)
    [doubt] = mirror.doubts
    assert (doubt.profile_id, doubt.why, doubt.action) == (1, status, "SetChargingProfile")
    assert doubt.command_id == id_
    assert mirror.profiles[0].doubt == doubt
    await commands.settle(store, KEYS, id_, status="answered", response=b'{"status":"Rejected"}')
    assert (await read(store)).doubts == ()


async def test_a_doubt_about_a_profile_is_removed_when_the_same_request_is_sent_again_and_answered(
    store: Store,
) -> None:
    lease = await claimed(store)
    some = {"connectorId": 1, "stackLevel": 0}
    for action, payload in (
        ("SetChargingProfile", setting(5)),
        ("ClearChargingProfile", {"id": 6}),
        ("ClearChargingProfile", some),
        ("ClearChargingProfile", {"connectorId": 2}),
    ):
        await commands.settle(store, KEYS, await send(store, lease, action, payload), status="timeout")
    assert [one.profile_id for one in (await read(store)).doubts] == [5, 6, None, None]
    await install(store, 5)
    assert [one.profile_id for one in (await read(store)).doubts] == [6, None, None]
    asked = msgspec.json.encode(dict(reversed(some.items())))
    await charging_profiles.clear(store, KEYS, Which(connector_id=1, stack_level=0), asked=asked)
    assert [one.profile_id for one in (await read(store)).doubts] == [6, None]
    await charging_profiles.doubt(store, KEYS, Which(6), asked=b'{"id":6}')
    assert [one.profile_id for one in (await read(store)).doubts] == [None]
    await charging_profiles.clear(store, KEYS, Which(), asked=b"{}")
    assert (await read(store)).doubts == ()


async def test_a_doubt_about_a_tx_profile_is_removed_when_the_transaction_ends(store: Store) -> None:
    lease = await claimed(store)
    transaction = await start(store, lease)
    payload = setting(1)
    payload["csChargingProfiles"]["transactionId"] = transaction
    id_ = await send(store, lease, "SetChargingProfile", payload)
    await commands.settle(store, KEYS, id_, status="timeout")
    assert [one.profile_id for one in (await read(store)).doubts] == [1]
    await transactions.stop(store, lease, a_stop(transaction), b"")
    assert (await read(store)).doubts == ()


async def test_a_doubt_is_stored_if_the_sweep_ends_a_command_about_a_profile(store: Store) -> None:
    lease = await claimed(store)
    id_ = await send(store, lease, "SetChargingProfile", setting(1))
    await store.execute("HSET", KEYS.command(id_), "deadline_ms", 1)
    await store.execute("ZADD", KEYS.overdue, 1, f"{id_} {KEYS.member}")
    await sweep.sweep_overdue(store, [KEYS.partition])
    assert [one.command_id for one in (await read(store)).doubts] == [id_]


async def test_doubts_are_stored_only_for_profile_commands_and_all_doubts_beyond_32_share_one_entry(
    store: Store,
) -> None:
    lease = await claimed(store)
    await commands.settle(store, KEYS, await send(store, lease, "Reset", {"type": "Hard"}), status="timeout")
    assert (await read(store)).doubts == ()
    for n in range(40):
        id_ = await send(store, lease, "SetChargingProfile", setting(n))
        await commands.settle(store, KEYS, id_, status="timeout")
    doubts = (await read(store)).doubts
    assert len(doubts) == 33
    assert [one.profile_id for one in doubts if one.command_id is None] == [39]


async def test_each_matching_profile_is_marked_as_doubtful_if_the_charge_point_found_nothing_to_clear(
    store: Store,
) -> None:
    await install(store, 1, 1, DEFAULT, 0)
    await install(store, 2, 1, DEFAULT, 1)
    which = Which(connector_id=1, stack_level=1)
    assert await charging_profiles.doubt(store, KEYS, which, asked=b'{"connectorId":1,"stackLevel":1}') == (
        2,
    )
    one, two = (await read(store)).profiles
    assert one.doubt is None
    assert two.doubt is not None
    assert (two.doubt.why, two.doubt.action) == ("not_found", "ClearChargingProfile")
    assert two.payload == b'{"chargingProfileId":2}'
    assert [kind for kind, _ in await events(store, await claimed(store))][-1] == "charging_profile.doubted"
    await install(store, 2, 1, DEFAULT, 1)
    assert [profile.doubt for profile in (await read(store)).profiles] == [None, None]


async def accept_start(store: Store, lease: Lease, tag: str = "Tag", key: str = "a") -> str:
    id_ = await send(store, lease, "RemoteStartTransaction", {"idTag": tag}, key)
    await charging_profiles.promise(
        store, KEYS, id_, profile_id=8, stack_level=2, payload=b'{"of":"%b"}' % key.encode()
    )
    await remote_starts.expect(store, KEYS, id_, id_tag=tag, connector_id=None)
    return id_


async def test_the_tx_profile_of_a_remote_start_is_stored_as_waiting_until_the_transaction_starts(
    store: Store,
) -> None:
    lease = await claimed(store)
    await install(store, 3, 1, TX, 2)
    id_ = await accept_start(store, lease)
    mirror = await read(store)
    [promise] = mirror.promises
    assert promise[:3] == (id_, 8, 2)
    fact = a_start(started_ms=store.server_time_ms(), received_ms=store.server_time_ms())
    started = await transactions.start(store, lease, fact, ANSWER)
    assert await remote_starts.fulfil(store, KEYS, fact, started.id) == id_
    mirror = await read(store)
    assert mirror.promises == ()
    [profile] = mirror.profiles
    assert (profile.id, profile.slot, profile.transaction_id) == (8, (1, TX, 2), started.id)
    assert (profile.command_id, profile.payload) == (id_, b'{"of":"a"}')
    await charging_profiles.promise(store, KEYS, id_, profile_id=8, stack_level=2, payload=b"{}")
    assert (await read(store)).promises == ()
    await transactions.stop(store, lease, a_stop(started.id), b"")
    assert await ids(store) == []


async def test_a_start_transaction_request_also_removes_the_waiting_profiles_of_older_matching_remote_starts(
    store: Store,
) -> None:
    lease = await claimed(store)
    for key in ("a", "b"):
        await accept_start(store, lease, key=key)
    await accept_start(store, lease, "Other", "c")
    assert len((await read(store)).promises) == 3
    fact = a_start(started_ms=store.server_time_ms(), received_ms=store.server_time_ms())
    started = await transactions.start(store, lease, fact, ANSWER)
    await remote_starts.fulfil(store, KEYS, fact, started.id)
    mirror = await read(store)
    assert [promise.payload for promise in mirror.promises] == [b'{"of":"c"}']
    [profile] = mirror.profiles
    assert profile.payload in {b'{"of":"a"}', b'{"of":"b"}'}


async def test_waiting_profiles_of_remote_starts_expire_and_at_most_32_of_them_are_kept(store: Store) -> None:
    lease = await claimed(store)
    long_ago_ms = store.server_time_ms() - remote_starts.LASTS_MS - 1
    for n in range(32):
        await store.execute("HSET", KEYS.charging_profile_promises, f"old{n}", f"{long_ago_ms} 1 0\n{{}}")
    assert (await read(store)).promises == ()
    await accept_start(store, lease)
    assert await store.execute("HLEN", KEYS.charging_profile_promises) == 1
    for n in range(40):
        await accept_start(store, lease, key=str(n))
    assert len((await read(store)).promises) == 32


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
