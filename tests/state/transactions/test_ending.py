"""An operator ends a transaction whose StopTransaction did not come. The stop may still come later."""

from typing import Any

import msgspec
import pytest

from state import commands, holds
from state.charge_points import connectors
from state.charge_points.connectors import Connector
from state.features import charging_profiles
from state.features.charging_profiles import Slot
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.store import Store
from state.transactions import (
    Limit,
    Orphaned,
    Present,
    Replayed,
    Started,
    Stopped,
    StopReplayed,
    Transaction,
    ending,
    find_start,
    get,
    list_,
    meter_values,
    remote_starts,
    start,
    stop,
)
from state.transactions.ending import End, EndOutcome, StillCharging
from state.transactions.running import list_running
from tests.support.transactions import ANSWER, a_start, a_stop, claimed, events, read_values

KEYS = ChargePointKeys("demo", "CP.1")
STUCK = {"timestamp": "1970-01-01T00:00:07Z", "started_ms": 7_000, "plausible": False}
ONE_SLOT = Limit(1, b'{"status":"ConcurrentTx"}')
END = End(
    ended_ms=1_767_227_400_000,
    time_source="given",
    meter=150,
    meter_source="given",
    received_ms=1_767_300_000_000,
    api_key="key-1",
)
_STATUS = Connector(connector_id=1, status="Available", error_code="NoError", received_ms=1)


async def begin(store: Store, lease: Lease, **changes: Any) -> Started:
    """Start a transaction that takes the only slot of its driver."""
    outcome = await start(store, lease, a_start(**changes), ANSWER, limit=ONE_SLOT)
    assert isinstance(outcome, Started)
    return outcome


async def find(store: Store, number: int) -> Transaction:
    found = await get(store, "demo", f"CP.1.{number}")
    assert found is not None
    return found


async def end(store: Store, number: int, *, force: bool = False, **changes: Any) -> EndOutcome:
    how = msgspec.structs.replace(END, **changes)
    return await ending.end(store, "demo", await find(store, number), how, force=force)


async def is_slot_free(store: Store, tag: str = "Tag") -> bool:
    """Return whether another charge point can take the only slot of the driver, and free it again."""
    elsewhere = ChargePointKeys("demo", "elsewhere")
    taken = await holds.hold(store, elsewhere, tag, "probe", 1)
    await holds.release(store, elsewhere, tag, "probe")
    return taken


async def pointers(store: Store) -> dict[int, int]:
    return {one.connector_id: one.id for one in await list_running(store, "demo", "CP.1")}


async def report(store: Store, lease: Lease, status: str) -> None:
    await connectors.record_status(store, lease, msgspec.structs.replace(_STATUS, status=status))


async def test_an_ended_transaction_is_not_open_and_shows_its_end_beside_an_empty_stop(store: Store) -> None:
    lease = await claimed(store)
    number = (await begin(store, lease)).id
    assert (await find(store, number)).state == "open"
    assert await end(store, number) == "ended"
    found = await find(store, number)
    assert (found.state, found.energy_wh) == ("ended", 50)
    assert (found.ended_ms, found.ended_source) == (1_767_227_400_000, "given")
    assert (found.ended_meter, found.ended_meter_source) == (150, "given")
    assert (found.ended_received_ms, found.ended_by) == (1_767_300_000_000, "key-1")
    assert (found.stopped_at, found.stopped_ms, found.meter_stop, found.reason) == (None, None, None, None)
    for charge_point in (None, "CP.1"):
        assert (await list_(store, "demo", open_=True, charge_point=charge_point)).items == ()
        assert (await list_(store, "demo", open_=False, charge_point=charge_point)).items == (found,)
    kind, data = (await events(store, lease))[-1]
    assert (kind, data) == (
        "transaction.ended",
        {
            "transaction_id": f"CP.1.{number}",
            "at_ms": 1_767_227_400_000,
            "at_source": "given",
            "meter": 150,
            "meter_source": "given",
            "api_key": "key-1",
            "policy": None,
        },
    )


async def test_an_end_without_a_meter_reading_leaves_the_energy_unknown(store: Store) -> None:
    lease = await claimed(store)
    number = (await begin(store, lease)).id
    await end(store, number, meter=None, meter_source=None, time_source="start")
    found = await find(store, number)
    assert (found.ended_meter, found.ended_meter_source, found.energy_wh) == (None, None, None)
    assert found.ended_source == "start"


async def test_the_driver_may_charge_elsewhere_after_an_operator_ended_the_transaction(store: Store) -> None:
    lease = await claimed(store)
    number = (await begin(store, lease)).id
    assert not await is_slot_free(store)
    await end(store, number)
    assert await is_slot_free(store)
    assert await pointers(store) == {}


async def test_a_transaction_of_a_driver_without_a_limit_or_on_an_unknown_connector_can_be_ended(
    store: Store,
) -> None:
    lease = await claimed(store)
    for connector in (1, None):
        outcome = await start(store, lease, a_start(connector_id=connector), ANSWER)
        assert await end(store, outcome.id) == "ended"
    assert (await list_(store, "demo", open_=True)).items == ()


async def test_ending_a_replaced_transaction_does_not_change_the_newer_one_on_its_connector(
    store: Store,
) -> None:
    lease = await claimed(store)
    old = (await begin(store, lease)).id
    new = (await begin(store, lease, id_tag="Other", meter_start=200)).id
    await report(store, lease, "Charging")
    # The connector reports Charging because of the newer transaction.
    assert await end(store, old) == "ended"
    assert await pointers(store) == {1: new}
    assert not await is_slot_free(store, "Other")
    assert [one.id for one in (await list_(store, "demo", open_=True)).items] == [new]


async def test_a_repeated_end_changes_nothing_but_releases_a_slot_that_was_not_released(store: Store) -> None:
    lease = await claimed(store)
    began = await begin(store, lease)
    await end(store, began.id)
    found, told = await find(store, began.id), await events(store, lease)
    # As if the store had failed between the end and the release.
    await holds.hold(store, KEYS, "Tag", a_start().fingerprint, 1)
    assert await end(store, began.id, ended_ms=1, meter=1, api_key="key-2") == "again"
    assert await find(store, began.id) == found
    assert await events(store, lease) == told
    assert await is_slot_free(store)


async def test_a_stopped_transaction_and_a_deleted_one_cannot_be_ended(store: Store) -> None:
    lease = await claimed(store)
    number = (await begin(store, lease)).id
    await stop(store, lease, a_stop(number), ANSWER)
    found = await find(store, number)
    assert await end(store, number) == "stopped"
    assert await find(store, number) == found
    await store.execute("UNLINK", KEYS.transaction(number))
    assert await ending.end(store, "demo", found, END, force=True) == "unknown"
    assert await store.execute("EXISTS", KEYS.transaction(number)) == 0


@pytest.mark.parametrize("status", ["Charging", "SuspendedEV", "SuspendedEVSE"])
async def test_a_transaction_that_still_charges_is_ended_only_by_force(store: Store, status: str) -> None:
    lease = await claimed(store)
    number = (await begin(store, lease)).id
    await report(store, lease, status)
    assert await end(store, number) == StillCharging(status)
    assert (await find(store, number)).state == "open"
    assert await pointers(store) == {1: number}
    assert not await is_slot_free(store)
    assert await end(store, number, force=True) == "ended"


@pytest.mark.parametrize("status", ["Available", "Preparing", "Finishing", "Faulted", "Unavailable"])
async def test_a_transaction_whose_connector_reports_another_status_is_ended_without_force(
    store: Store, status: str
) -> None:
    lease = await claimed(store)
    number = (await begin(store, lease)).id
    await report(store, lease, status)
    assert await end(store, number) == "ended"


async def test_a_transaction_of_an_offline_charge_point_is_ended_without_force(store: Store) -> None:
    lease = await claimed(store)
    number = (await begin(store, lease)).id
    await report(store, lease, "Charging")
    await store.execute("HSET", KEYS.lease, "holder", "")
    assert await end(store, number) == "ended"


async def test_the_first_stop_after_an_end_is_stored_and_counts_and_the_end_stays_beside_it(
    store: Store,
) -> None:
    lease = await claimed(store)
    number = (await begin(store, lease)).id
    await end(store, number)
    ended = await find(store, number)
    outcome = await stop(store, lease, a_stop(number, meter_stop=400, reason="PowerLoss"), ANSWER)
    assert type(outcome) is Stopped
    assert (outcome.answer, outcome.id_tag, outcome.meter_start) == (ANSWER, "Tag", 100)
    found = await find(store, number)
    assert (found.state, found.energy_wh, found.stopped_at) == ("stopped", 300, "2026-01-01T01:00:00Z")
    assert (found.meter_stop, found.reason) == (400, "PowerLoss")
    assert (found.ended_ms, found.ended_meter, found.ended_by) == (ended.ended_ms, 150, "key-1")
    kinds = [kind for kind, _ in await events(store, lease)]
    assert kinds[-2:] == ["transaction.ended", "transaction.stopped"]
    again = await stop(store, lease, a_stop(number, meter_stop=400, reason="PowerLoss"), b"another")
    assert type(again) is StopReplayed
    assert again.answer == ANSWER
    other = await stop(store, lease, a_stop(number, meter_stop=401), ANSWER)
    assert isinstance(other, Orphaned)
    assert other.contradicts
    assert await end(store, number) == "stopped"


async def test_an_unreadable_meter_in_the_stop_after_an_end_leaves_the_energy_unknown(store: Store) -> None:
    lease = await claimed(store)
    number = (await begin(store, lease)).id
    await end(store, number)
    await stop(store, lease, a_stop(number, meter_stop=None), ANSWER)
    assert (await find(store, number)).energy_wh is None


async def test_a_stop_after_an_end_changes_neither_the_newer_transaction_on_the_connector_nor_its_slot(
    store: Store,
) -> None:
    lease = await claimed(store)
    old = (await begin(store, lease)).id
    await end(store, old)
    began = await begin(store, lease, meter_start=200)
    assert began.superseded is None
    for _ in range(2):
        await stop(store, lease, a_stop(old), ANSWER)
        assert await pointers(store) == {1: began.id}
        assert not await is_slot_free(store)
        assert [one.id for one in (await list_(store, "demo", open_=True)).items] == [began.id]


async def test_a_charge_point_whose_clock_stands_still_begins_a_new_transaction_after_an_end(
    store: Store,
) -> None:
    """The new start looks like the start of the ended transaction, so the slot belongs to the new one."""
    lease = await claimed(store)
    old = (await begin(store, lease, **STUCK)).id
    await end(store, old)
    assert isinstance(await find_start(store, lease, a_start(**STUCK)), Present)
    new = (await begin(store, lease, **STUCK)).id
    assert new != old
    await end(store, old)
    for _ in range(2):
        await stop(store, lease, a_stop(old), ANSWER)
        assert not await is_slot_free(store)
        found = await find_start(store, lease, a_start(**STUCK))
        assert isinstance(found, Replayed)
        assert found.id == new
    assert await pointers(store) == {1: new}
    await end(store, new)
    assert await is_slot_free(store)


async def test_a_start_that_is_repeated_after_an_end_gets_its_stored_answer_and_opens_nothing(
    store: Store,
) -> None:
    lease = await claimed(store)
    number = (await begin(store, lease)).id
    await end(store, number)
    found = await find_start(store, lease, a_start())
    assert isinstance(found, Replayed)
    assert (found.id, found.answer) == (number, ANSWER)
    assert (await begin_again(store, lease)).id == number
    assert (await find(store, number)).state == "ended"
    assert await pointers(store) == {}
    assert await is_slot_free(store)


async def begin_again(store: Store, lease: Lease) -> Replayed:
    outcome = await start(store, lease, a_start(), ANSWER)
    assert isinstance(outcome, Replayed)
    return outcome


async def test_meter_values_that_come_after_an_end_are_stored_with_the_transaction(store: Store) -> None:
    lease = await claimed(store)
    number = (await begin(store, lease)).id
    await end(store, number)
    late = {"connector_id": 1, "transaction_id": str(number), "payload": b"[1]", "received_ms": 1}
    assert (await meter_values.append(store, lease, **late)).outcome == "kept"  # type: ignore[arg-type]
    assert len(await read_values(store, number)) == 1


async def test_an_end_drops_the_charging_profiles_of_its_transaction_and_those_that_named_none(
    store: Store,
) -> None:
    lease = await claimed(store)
    old = (await begin(store, lease)).id
    new = (await begin(store, lease, id_tag="Other", meter_start=200)).id

    async def install(id_: int, level: int, transaction: int | None) -> object:
        slot, payload = Slot(1, "TxProfile", level), b'{"chargingProfileId":%d}' % id_
        return await charging_profiles.install(store, KEYS, id_, slot, payload, transaction_id=transaction)

    async def installed() -> list[int]:
        return [one.id for one in (await charging_profiles.read(store, "demo", "CP.1")).profiles]

    await install(1, 1, old)
    await install(2, 2, new)
    # A profile whose transaction had not begun. It may be for the newer transaction.
    await store.execute("HSET", KEYS.charging_profiles, 3, '1 TxProfile 3 - c 1\n\n{"chargingProfileId":3}')
    await end(store, old)
    assert await installed() == [2, 3]
    assert await install(1, 1, old) is None
    await end(store, new)
    assert await installed() == []


async def test_a_stop_after_an_end_leaves_the_charging_profiles_of_a_later_transaction(store: Store) -> None:
    lease = await claimed(store)
    number = (await begin(store, lease)).id
    await end(store, number)
    await store.execute("HSET", KEYS.charging_profiles, 3, '1 TxProfile 3 - c 1\n\n{"chargingProfileId":3}')
    await stop(store, lease, a_stop(number), ANSWER)
    assert await store.execute("HLEN", KEYS.charging_profiles) == 1


async def test_an_ended_transaction_does_not_get_the_charging_profile_of_its_remote_start(
    store: Store,
) -> None:
    lease = await claimed(store)
    id_ = commands.command_id(KEYS.partition, "one")
    await store.execute("HSET", KEYS.command(id_), "sent_ms", 1, "reply_to", "")
    await charging_profiles.promise(store, KEYS, id_, profile_id=8, stack_level=2, payload=b"{}")
    await remote_starts.expect(store, KEYS, id_, id_tag="Tag", connector_id=1)
    now = store.server_time_ms()
    begun = a_start(started_ms=now, received_ms=now)
    outcome = await start(store, lease, begun, ANSWER)
    await end(store, outcome.id)
    assert await remote_starts.fulfil(store, KEYS, begun, outcome.id) == id_
    assert (await charging_profiles.read(store, "demo", "CP.1")).profiles == ()


async def test_a_prolonging_of_slots_does_not_restore_the_slot_of_an_ended_transaction(store: Store) -> None:
    lease = await claimed(store)
    began = await begin(store, lease)
    await end(store, began.id)
    assert await holds.prolong(store, [(KEYS, "Tag", a_start().fingerprint)]) == 0
    assert await is_slot_free(store)
