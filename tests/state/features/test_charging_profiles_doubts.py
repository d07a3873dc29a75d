"""Charging profiles that the charge point may or may not have, or that wait for their transaction."""

from typing import Any

import msgspec
import pytest

from state import commands, transactions
from state.commands import sweep
from state.features import charging_profiles
from state.features.charging_profiles import Which
from state.nodes.leases import Lease
from state.store import Store
from state.transactions import remote_starts
from tests.state.features.profiles_of_one import DEFAULT, KEYS, TX, ids, install, read, send, setting, start
from tests.support.transactions import ANSWER, a_start, a_stop, claimed, events


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
