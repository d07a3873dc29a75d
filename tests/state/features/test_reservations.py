"""Reservations: made, cancelled, used in the step of the start, bounded."""

import pytest

from state import charge_points, commands
from state.features import reservations
from state.features.reservations import Asked, Reservation
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.store import Store
from state.transactions import Replayed, Started, start
from tests.support.transactions import ANSWER, a_start, claimed, events

ASKED = Asked(connector_id=1, id_tag="Tag", parent_id_tag="Fleet", expiry_date="2100-01-01T00:00:00Z")
LATER_MS = 4_102_444_800_000
COMMAND = "00.reserve"


async def reserve(
    store: Store, lease: Lease, number: int = 7, command_id: str = COMMAND, expires_ms: int = LATER_MS
) -> None:
    await reservations.record_made(store, lease.keys, command_id, number, ASKED, expires_ms=expires_ms)


async def begun(store: Store, lease: Lease, number: int | None, **changes: object) -> Started:
    outcome = await start(store, lease, a_start(reservation_id=number, **changes), ANSWER)
    assert isinstance(outcome, Started)
    return outcome


async def kept(store: Store, lease: Lease, number: int = 7) -> Reservation:
    found = await reservations.get(store, lease.keys, number)
    assert found is not None
    return found


async def told(store: Store, lease: Lease) -> list[str]:
    return [kind for kind, _ in await events(store, lease) if kind.startswith("reservation.")]


async def test_what_was_accepted_is_kept_and_told_once(store: Store) -> None:
    lease = await claimed(store)
    for _ in range(2):
        await reserve(store, lease)
    found = await kept(store, lease)
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


async def test_the_start_that_names_it_uses_it_in_its_own_step(store: Store) -> None:
    lease = await claimed(store)
    await reserve(store, lease)
    outcome = await begun(store, lease, 7)
    found = await kept(store, lease)
    assert (found.state, found.transaction) == ("used", f"CP.1.{outcome.id}")
    assert found.asked == ASKED
    assert found.ended_ms is not None
    (kind, data) = (await events(store, lease))[-1]
    assert kind == "reservation.used"
    assert (data["reservation_id"], data["transaction_id"]) == (7, f"CP.1.{outcome.id}")


async def test_a_resent_start_uses_nothing_that_was_made_since(store: Store) -> None:
    lease = await claimed(store)
    await reserve(store, lease)
    first = await begun(store, lease, 7)
    await reserve(store, lease, command_id="00.again")
    again = await start(store, lease, a_start(reservation_id=7), ANSWER)
    assert isinstance(again, Replayed)
    assert again.id == first.id
    assert (await kept(store, lease)).state == "active"
    assert await told(store, lease) == ["reservation.made", "reservation.used", "reservation.made"]


@pytest.mark.parametrize("named", [None, 0, 8, 10**30])
async def test_only_what_names_it_uses_it(store: Store, named: int | None) -> None:
    lease = await claimed(store)
    await reserve(store, lease)
    await begun(store, lease, named)
    assert (await kept(store, lease)).state == "active"
    assert await reservations.get(store, lease.keys, 0) is None


async def test_zero_is_used_by_no_start_even_if_it_was_reserved(store: Store) -> None:
    lease = await claimed(store)
    await reserve(store, lease, 0)
    await begun(store, lease, 0)
    assert (await kept(store, lease, 0)).state == "active"


async def test_the_first_use_stands(store: Store) -> None:
    lease = await claimed(store)
    await reserve(store, lease)
    first = await begun(store, lease, 7)
    await begun(store, lease, 7, connector_id=2)
    assert (await kept(store, lease)).transaction == f"CP.1.{first.id}"
    assert (await told(store, lease)).count("reservation.used") == 1


async def test_a_start_may_name_what_nobody_here_asked_for(store: Store) -> None:
    lease = await claimed(store)
    outcome = await begun(store, lease, -5)
    found = await kept(store, lease, -5)
    assert (found.state, found.asked, found.command_id) == ("used", None, None)
    assert found.transaction == f"CP.1.{outcome.id}"


async def test_a_start_that_overtakes_the_answer_to_reserve_now_uses_it(store: Store) -> None:
    lease = await claimed(store)
    sent_ms = store.server_time_ms() - 1000
    await store.execute("HSET", lease.keys.command(COMMAND), "sent_ms", sent_ms)
    outcome = await begun(store, lease, 7)
    await reserve(store, lease)
    found = await kept(store, lease)
    assert (found.state, found.transaction, found.asked) == ("used", f"CP.1.{outcome.id}", ASKED)
    await reserve(store, lease)  # As after an outage.
    assert await told(store, lease) == ["reservation.used", "reservation.made"]


async def test_a_use_before_reserve_now_was_sent_is_of_an_earlier_one(store: Store) -> None:
    lease = await claimed(store)
    await begun(store, lease, 7)
    sent_ms = store.server_time_ms() + 1000
    await store.execute("HSET", lease.keys.command(COMMAND), "sent_ms", sent_ms)
    await reserve(store, lease)
    assert (await kept(store, lease)).state == "active"


async def test_the_same_id_replaces(store: Store) -> None:
    lease = await claimed(store)
    await reserve(store, lease)
    other = Asked(connector_id=2, id_tag="Other", expiry_date="2101-01-01T00:00:00Z")
    await reservations.record_made(store, lease.keys, "00.other", 7, other, expires_ms=LATER_MS)
    assert (await kept(store, lease)).asked == other
    assert len(await reservations.list_(store, lease.keys)) == 1


async def test_it_is_cancelled_once(store: Store) -> None:
    lease = await claimed(store)
    await reserve(store, lease)
    for _ in range(2):
        await reservations.record_cancelled(store, lease.keys, "00.cancel", 7)
    found = await kept(store, lease)
    assert found.state == "cancelled"
    assert found.ended_ms is not None
    assert found.asked == ASKED
    assert (await events(store, lease))[1:] == [
        ("reservation.cancelled", {"reservation_id": 7, "command": "00.cancel"})
    ]


async def test_cancelling_changes_nothing_that_is_over_or_unknown(store: Store) -> None:
    lease = await claimed(store)
    await reserve(store, lease)
    await begun(store, lease, 7)
    for number in (7, 8):
        await reservations.record_cancelled(store, lease.keys, "00.cancel", number)
    assert (await kept(store, lease)).state == "used"
    assert await reservations.get(store, lease.keys, 8) is None


async def test_it_is_expired_by_the_servers_clock_and_may_be_used_or_cancelled_still(store: Store) -> None:
    lease = await claimed(store)
    await reserve(store, lease, expires_ms=store.server_time_ms() - 1)
    await reserve(store, lease, 8, "00.other", expires_ms=-1)
    assert [one.state for one in await reservations.list_(store, lease.keys)] == ["expired", "expired"]
    await begun(store, lease, 7)
    await reservations.record_cancelled(store, lease.keys, "00.cancel", 8)
    assert (await kept(store, lease, 7)).state == "used"
    assert (await kept(store, lease, 8)).state == "cancelled"


async def numbers(store: Store, lease: Lease) -> set[int]:
    return {one.reservation_id for one in await reservations.list_(store, lease.keys)}


async def test_of_too_many_those_that_are_over_give_way_then_the_oldest(store: Store) -> None:
    lease = await claimed(store)
    for number in range(100):
        await reserve(store, lease, number + 1, f"00.{number}")
    await reservations.record_cancelled(store, lease.keys, "00.cancel", 50)
    await store.execute("HSET", lease.keys.reservations, 1, "active 5 9999999999999 0 - 00.0\n")
    await reserve(store, lease, 1001, "00.1001")
    assert await numbers(store, lease) == {*range(1, 101), 1001} - {50}
    await reserve(store, lease, 1002, "00.1002")
    assert await numbers(store, lease) == {*range(2, 101), 1001, 1002} - {50}


async def test_what_starts_name_unknown_is_bounded_too_and_gives_way(store: Store) -> None:
    lease = await claimed(store)
    for number in range(100):
        await reserve(store, lease, number + 1, f"00.{number}")
    await store.execute("HSET", lease.keys.reservations, 1, "active 5 9999999999999 0 - 00.0\n")
    for number in range(40):
        await begun(store, lease, 1001 + number, connector_id=number)
    assert len(await numbers(store, lease)) == 128
    await reserve(store, lease, 5000, "00.last")
    found = await numbers(store, lease)
    assert found == {*range(2, 101), 5000}


async def test_they_are_listed_latest_first(store: Store) -> None:
    lease = await claimed(store)
    for number in (7, 3, 9):
        await reserve(store, lease, number, f"00.{number}")
    made = [(one.made_ms, one.reservation_id) for one in await reservations.list_(store, lease.keys)]
    assert made == sorted(made, reverse=True)
    assert {number for _, number in made} == {3, 7, 9}


async def test_free_ids_are_never_given_twice_and_skip_what_is_known(store: Store) -> None:
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


async def test_it_is_forgotten_and_goes_with_its_charge_point(store: Store) -> None:
    lease = await claimed(store)
    for number in (7, 8):
        await reserve(store, lease, number, f"00.{number}")
    assert await reservations.forget(store, lease.keys, 7)
    assert not await reservations.forget(store, lease.keys, 7)
    await store.execute("HSET", lease.keys.lease, "holder", "", "node", "")
    await charge_points.delete(store, "demo", "CP.1")
    assert await reservations.list_(store, lease.keys) == []


async def test_the_command_that_is_compared_with_is_the_real_record(store: Store) -> None:
    """The step reads `sent_ms` where a claim writes it."""
    lease = await claimed(store)
    await store.execute("HSET", lease.keys.lease, "node", "node")
    await store.execute("XADD", "csms:inbox:{node}", "*", "begin", "")
    submitted = await commands.submit(
        store, "demo", "CP.1", action="ReserveNow", payload=b"{}", ttl_ms=60_000, reply_to=""
    )
    assert isinstance(submitted, commands.Submitted)
    go = await commands.claim(store, lease, submitted.command.id, "nonce")
    assert isinstance(go, commands.Go)
    await begun(store, lease, 7)
    await reserve(store, lease, 7, submitted.command.id)
    assert (await kept(store, lease)).state == "used"
