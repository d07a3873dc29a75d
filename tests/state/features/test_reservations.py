"""Reservations are limited in number.

They are made, cancelled, or used by the Lua step that stores a start.
"""

import msgspec
import pytest

from state import charge_points, commands
from state.charge_points import connectors
from state.charge_points.connectors import Connector
from state.features import reservations
from state.features.reservations import Asked, Reservation
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.store import Store
from state.transactions import Present, Replayed, Started, find_start, start
from tests.support.transactions import ANSWER, a_start, claimed, events

ASKED = Asked(connector_id=1, id_tag="Tag", parent_id_tag="Fleet", expiry_date="2100-01-01T00:00:00Z")
LATER_MS = 4_102_444_800_000
COMMAND = "00.reserve"


async def reserve(
    store: Store, lease: Lease, number: int = 7, command_id: str = COMMAND, expires_ms: int = LATER_MS
) -> None:
    await reservations.record_made(store, lease.keys, command_id, number, ASKED, expires_ms=expires_ms)


async def begin(store: Store, lease: Lease, number: int | None, **changes: object) -> Started:
    outcome = await start(store, lease, a_start(reservation_id=number, **changes), ANSWER)
    assert isinstance(outcome, Started)
    return outcome


async def read_one(store: Store, lease: Lease, number: int = 7) -> Reservation:
    found = await reservations.get(store, lease.keys, number)
    assert found is not None
    return found


async def event_kinds(store: Store, lease: Lease) -> list[str]:
    return [kind for kind, _ in await events(store, lease) if kind.startswith("reservation.")]


async def test_an_accepted_reservation_is_stored_once_and_emits_one_event(store: Store) -> None:
    lease = await claimed(store)
    for _ in range(2):
        await reserve(store, lease)
    found = await read_one(store, lease)
    assert (found.state, found.asked, found.command_id) == ("active", ASKED, COMMAND)
    assert (found.ended_ms, found.transaction) == (None, None)
    assert abs(found.made_ms - store.server_time_ms()) < 5_000
    [(kind, data)] = await events(store, lease)
    assert kind == "reservation.made"
    assert data == {
        "reservation_id": 7,
        "connector_id": 1,
        "id_tag": "Tag",
        "expiry_date": "2100-01-01T00:00:00Z",
        "command": COMMAND,
    }


async def test_a_start_transaction_request_and_the_use_of_its_reservation_are_stored_in_one_step(
    store: Store,
) -> None:
    lease = await claimed(store)
    await reserve(store, lease)
    outcome = await begin(store, lease, 7)
    found = await read_one(store, lease)
    assert (found.state, found.transaction) == ("used", f"CP.1.{outcome.id}")
    assert found.asked == ASKED
    assert found.ended_ms is not None
    (kind, data) = (await events(store, lease))[-1]
    assert kind == "reservation.used"
    assert (data["reservation_id"], data["transaction_id"]) == (7, f"CP.1.{outcome.id}")


async def test_a_repeated_start_transaction_request_does_not_use_a_reservation_made_after_the_first_request(
    store: Store,
) -> None:
    lease = await claimed(store)
    await reserve(store, lease)
    first = await begin(store, lease, 7)
    await reserve(store, lease, command_id="00.again")
    again = await start(store, lease, a_start(reservation_id=7), ANSWER)
    assert isinstance(again, Replayed)
    assert again.id == first.id
    assert (await read_one(store, lease)).state == "active"
    assert await event_kinds(store, lease) == ["reservation.made", "reservation.used", "reservation.made"]


@pytest.mark.parametrize("named", [None, 0, 8, 10**30])
async def test_a_start_transaction_request_without_a_reservation_id_uses_no_reservation(
    store: Store, named: int | None
) -> None:
    lease = await claimed(store)
    await reserve(store, lease)
    await begin(store, lease, named)
    assert (await read_one(store, lease)).state == "active"
    assert await reservations.get(store, lease.keys, 0) is None


async def test_no_start_transaction_request_uses_a_reservation_with_the_id_0(store: Store) -> None:
    lease = await claimed(store)
    await reserve(store, lease, 0)
    await begin(store, lease, 0)
    assert (await read_one(store, lease, 0)).state == "active"


async def test_a_used_reservation_is_not_used_again_by_a_second_start_transaction_request(
    store: Store,
) -> None:
    lease = await claimed(store)
    await reserve(store, lease)
    first = await begin(store, lease, 7)
    await begin(store, lease, 7, connector_id=2)
    assert (await read_one(store, lease)).transaction == f"CP.1.{first.id}"
    assert (await event_kinds(store, lease)).count("reservation.used") == 1


async def test_a_reservation_that_csms_did_not_make_is_stored_if_a_start_transaction_request_names_it(
    store: Store,
) -> None:
    lease = await claimed(store)
    outcome = await begin(store, lease, -5)
    found = await read_one(store, lease, -5)
    assert (found.state, found.asked, found.command_id) == ("used", None, None)
    assert found.transaction == f"CP.1.{outcome.id}"


async def test_a_reservation_is_used_even_if_its_transaction_starts_before_the_reserve_now_call_is_answered(
    store: Store,
) -> None:
    lease = await claimed(store)
    sent_ms = store.server_time_ms() - 1000
    await store.execute("HSET", lease.keys.command(COMMAND), "sent_ms", sent_ms)
    outcome = await begin(store, lease, 7)
    await reserve(store, lease)
    found = await read_one(store, lease)
    assert (found.state, found.transaction, found.asked) == ("used", f"CP.1.{outcome.id}", ASKED)
    await reserve(store, lease)  # After an outage the answer may be stored again.
    assert await event_kinds(store, lease) == ["reservation.used", "reservation.made"]


async def test_a_transaction_does_not_use_a_reservation_that_was_requested_after_the_transaction_started(
    store: Store,
) -> None:
    lease = await claimed(store)
    await begin(store, lease, 7)
    sent_ms = store.server_time_ms() + 1000
    await store.execute("HSET", lease.keys.command(COMMAND), "sent_ms", sent_ms)
    await reserve(store, lease)
    assert (await read_one(store, lease)).state == "active"


async def test_a_new_reservation_replaces_the_reservation_with_the_same_id(store: Store) -> None:
    lease = await claimed(store)
    await reserve(store, lease)
    other = Asked(connector_id=2, id_tag="Other", expiry_date="2101-01-01T00:00:00Z")
    await reservations.record_made(store, lease.keys, "00.other", 7, other, expires_ms=LATER_MS)
    assert (await read_one(store, lease)).asked == other
    assert len(await reservations.list_(store, lease.keys)) == 1


async def test_a_reservation_that_is_cancelled_twice_changes_only_once(store: Store) -> None:
    lease = await claimed(store)
    await reserve(store, lease)
    for _ in range(2):
        await reservations.record_cancelled(store, lease.keys, "00.cancel", 7)
    found = await read_one(store, lease)
    assert found.state == "cancelled"
    assert found.ended_ms is not None
    assert found.asked == ASKED
    assert (await events(store, lease))[1:] == [
        ("reservation.cancelled", {"reservation_id": 7, "command": "00.cancel"})
    ]


async def test_the_cancellation_of_a_used_or_unknown_reservation_changes_nothing(store: Store) -> None:
    lease = await claimed(store)
    await reserve(store, lease)
    await begin(store, lease, 7)
    for number in (7, 8):
        await reservations.record_cancelled(store, lease.keys, "00.cancel", number)
    assert (await read_one(store, lease)).state == "used"
    assert await reservations.get(store, lease.keys, 8) is None


async def test_a_reservation_expires_by_the_server_clock_but_can_still_be_used_or_cancelled(
    store: Store,
) -> None:
    lease = await claimed(store)
    await reserve(store, lease, expires_ms=store.server_time_ms() - 1_000)
    await reserve(store, lease, 8, "00.other", expires_ms=-1)
    assert [one.state for one in await reservations.list_(store, lease.keys)] == ["expired", "expired"]
    await begin(store, lease, 7)
    await reservations.record_cancelled(store, lease.keys, "00.cancel", 8)
    assert (await read_one(store, lease, 7)).state == "used"
    assert (await read_one(store, lease, 8)).state == "cancelled"


async def numbers(store: Store, lease: Lease) -> set[int]:
    return {one.reservation_id for one in await reservations.list_(store, lease.keys)}


async def test_a_reservation_beyond_the_first_100_replaces_an_ended_reservation_or_else_the_oldest_one(
    store: Store,
) -> None:
    lease = await claimed(store)
    for number in range(100):
        await reserve(store, lease, number + 1, f"00.{number}")
    await reservations.record_cancelled(store, lease.keys, "00.cancel", 50)
    await store.execute("HSET", lease.keys.reservations, 1, "active 5 9999999999999 0 - 00.0\n")
    await reserve(store, lease, 1001, "00.1001")
    assert await numbers(store, lease) == {*range(1, 101), 1001} - {50}
    await reserve(store, lease, 1002, "00.1002")
    assert await numbers(store, lease) == {*range(2, 101), 1001, 1002} - {50}


async def test_the_list_of_reservations_may_exceed_100_by_at_most_28_until_csms_makes_another_reservation(
    store: Store,
) -> None:
    lease = await claimed(store)
    for number in range(100):
        await reserve(store, lease, number + 1, f"00.{number}")
    await store.execute("HSET", lease.keys.reservations, 1, "active 5 9999999999999 0 - 00.0\n")
    for number in range(40):
        await begin(store, lease, 1001 + number, connector_id=number)
    assert len(await numbers(store, lease)) == 128
    await reserve(store, lease, 5000, "00.last")
    found = await numbers(store, lease)
    assert found == {*range(2, 101), 5000}


async def test_the_list_of_reservations_begins_with_the_latest(store: Store) -> None:
    lease = await claimed(store)
    for number in (7, 3, 9):
        await reserve(store, lease, number, f"00.{number}")
    made = [(one.made_ms, one.reservation_id) for one in await reservations.list_(store, lease.keys)]
    assert made == sorted(made, reverse=True)
    assert {number for _, number in made} == {3, 7, 9}


async def test_a_free_reservation_id_is_one_that_was_neither_given_out_before_nor_used_by_a_charge_point(
    store: Store,
) -> None:
    keys = ChargePointKeys("demo", "CP.1")
    lease = await claimed(store)
    await store.execute("HSET", keys.record, "registered_ms", 1)
    first = await reservations.find_free_id(store, keys)
    assert first is not None
    await reserve(store, lease, first + 1)
    second = await reservations.find_free_id(store, keys)
    assert second is not None
    assert second >= first + 2
    assert 0 < first < second < 2**31


async def test_a_reservation_can_be_deleted_alone_or_together_with_its_charge_point(store: Store) -> None:
    lease = await claimed(store)
    for number in (7, 8):
        await reserve(store, lease, number, f"00.{number}")
    assert await reservations.forget(store, lease.keys, 7)
    assert not await reservations.forget(store, lease.keys, 7)
    await store.execute("HSET", lease.keys.lease, "holder", "", "node", "")
    await charge_points.delete(store, "demo", "CP.1")
    assert await reservations.list_(store, lease.keys) == []


async def test_a_reservation_is_used_if_its_transaction_starts_after_the_reserve_now_command_was_claimed(
    store: Store,
) -> None:
    """The Lua step for a start must read `sent_ms` from the field that a claim writes."""
    lease = await claimed(store)
    await store.execute("HSET", lease.keys.lease, "node", "node")
    await store.execute("XADD", "csms:inbox:{node}", "*", "begin", "")
    submitted = await commands.submit(
        store, "demo", "CP.1", action="ReserveNow", payload=b"{}", ttl_ms=60_000, reply_to=""
    )
    assert isinstance(submitted, commands.Submitted)
    go = await commands.claim(store, lease, submitted.command.id, "nonce")
    assert isinstance(go, commands.Go)
    await begin(store, lease, 7)
    await reserve(store, lease, 7, submitted.command.id)
    assert (await read_one(store, lease)).state == "used"


@pytest.mark.parametrize("status", ["Faulted", "Unavailable"])
@pytest.mark.parametrize("connector", [1, 0])
async def test_a_reservation_ends_if_its_connector_or_the_whole_charge_point_cannot_charge(
    store: Store, status: str, connector: int
) -> None:
    lease = await claimed(store)
    await reserve(store, lease)
    for number, other in ((2, status), (1, "Reserved"), (0, "Available"), (11, status)):
        await report(store, lease, number, other)
    assert (await read_one(store, lease)).state == "active"
    await report(store, lease, connector, status)
    ended = await read_one(store, lease)
    assert (ended.state, ended.transaction) == ("cancelled", None)
    assert ended.ended_ms is not None
    assert await event_kinds(store, lease) == ["reservation.made", "reservation.cancelled"]
    await report(store, lease, connector, status)
    assert await read_one(store, lease) == ended


async def test_a_reservation_that_is_over_is_not_ended_again_by_a_faulted_connector(store: Store) -> None:
    lease = await claimed(store)
    await reserve(store, lease, 6, "00.old", expires_ms=store.server_time_ms() - 1_000)
    await reserve(store, lease)
    await begin(store, lease, 7)
    await report(store, lease, 1, "Faulted")
    assert (await read_one(store, lease)).state == "used"
    assert (await read_one(store, lease, 6)).state == "expired"
    assert "reservation.cancelled" not in await event_kinds(store, lease)


async def report(store: Store, lease: Lease, connector_id: int, status: str) -> None:
    connector = Connector(connector_id=connector_id, status=status, error_code="NoError", received_ms=1)
    await connectors.record_status(store, lease, connector)


@pytest.mark.parametrize(
    ("connector", "tag", "parent", "number"),
    [
        (1, "TAG", None, 7),
        (1, "other", "FLEET", 7),
        (2, "Tag", None, 9),
        (1, "other", "Else", None),
        (1, "other", None, None),
        (3, "Tag", None, 9),
        (None, "Tag", "Fleet", None),
        (1, "", None, None),
    ],
)
async def test_a_start_that_names_no_reservation_uses_that_of_its_tag_or_parent(
    store: Store, connector: int | None, tag: str, parent: str | None, number: int | None
) -> None:
    lease = await claimed(store)
    now_ms = store.server_time_ms()
    for id_, asked, expires_ms in (
        (5, ASKED, now_ms - 1),
        (7, ASKED, LATER_MS),
        (8, msgspec.structs.replace(ASKED, id_tag="Third", parent_id_tag=None), LATER_MS),
        (9, msgspec.structs.replace(ASKED, connector_id=0, parent_id_tag=None), LATER_MS),
    ):
        await reservations.record_made(store, lease.keys, f"00.{id_}", id_, asked, expires_ms=expires_ms)
    present = await find_start(store, lease, a_start(connector_id=connector, id_tag=tag))
    assert isinstance(present, Present)
    found = reservations.find_used(present.reservations, connector, tag, parent, now_ms)
    assert found == number
    begun = a_start(connector_id=connector, id_tag=tag)
    outcome = await start(store, lease, begun, ANSWER, reservation=found)
    used = {
        one.reservation_id: one.transaction
        for one in await reservations.list_(store, lease.keys)
        if one.state == "used"
    }
    assert used == ({} if number is None else {number: f"CP.1.{outcome.id}"})
