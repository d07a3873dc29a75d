"""Each trouble begins with its cause, and ends by itself when its cause ends.

The steps of the product write everything here. The rules get the time as an argument, so no test waits.
"""

import re

import msgspec
import pytest

from gateway.admission.reasons import Reason
from gateway.ocpp16.faults.table import FAULTS
from state import charge_points, commands, transactions
from state.charge_points import Settings, configuration, connectors, faults, refusals, security
from state.charge_points.connectors import Connector
from state.charge_points.faults import NOT_SLOPPY, FaultBatch, Tally
from state.charge_points.refusals import Gathered
from state.charge_points.security import IssuedCertificate
from state.commands import Submitted
from state.commands.table import Status
from state.nodes import leases
from state.nodes.leases import Lease
from state.store import Store
from state.tenants.refusal_records import Refusals
from state.troubles import facts, rules
from state.troubles.kinds import KINDS, Trouble, TroubleKind
from tests.support.leases import KEYS, claimed
from tests.support.transactions import ANSWER, a_start, a_stop

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
AVAILABLE = Connector(connector_id=1, status="Available", error_code="NoError", received_ms=1)


async def find(store: Store, after_ms: int = 0) -> dict[TroubleKind, Trouble]:
    """Return the troubles of the charge point as they are, or as they will be after a time."""
    [known] = await facts.read(store, [KEYS])
    assert known is not None
    return {one.kind: one for one in rules.find(known, store.server_time_ms() + after_ms)}


async def connect(store: Store, number: int = 1) -> Lease:
    return (await claimed(store, f"a/{number}")).lease


async def disconnect(store: Store, number: int = 1) -> None:
    assert await leases.release_if_holder(store, KEYS, f"a/{number}", "closed")


async def refuse(store: Store, reason: str, after_ms: int) -> int:
    at_ms = store.server_time_ms() + after_ms
    refused = Refusals(KEYS.tenant, KEYS.id, "192.0.2.7", reason, 1, at_ms, at_ms, "")
    await refusals.record(store, [Gathered(refused, KEYS)])
    return at_ms


async def count(store: Store, **tallies: int) -> None:
    at_ms = store.server_time_ms()
    batch = FaultBatch(KEYS, str(id(tallies)), {name: Tally(times, at_ms) for name, times in tallies.items()})
    await faults.count(store, [batch])


async def command(store: Store, status: Status, response: bytes | None = None) -> str:
    """Send a command, which ends with this status."""
    lease = await _lease(store)
    sent = await commands.submit(
        store, "acme", "CP-1", action="Reset", payload=b"{}", ttl_ms=60_000, reply_to="admin"
    )
    assert isinstance(sent, Submitted)
    # No gateway runs here, so the session claims the command before the test ends it.
    await store.execute("HSET", KEYS.command(sent.command.id), "status", "queued")
    assert isinstance(await commands.claim(store, lease, sent.command.id, "n"), commands.Go)
    await commands.settle(store, KEYS, sent.command.id, status=status, response=response)
    return sent.command.id


async def _lease(store: Store) -> Lease:
    holder, epoch = await store.execute("HMGET", KEYS.lease, "holder", "epoch")
    return Lease(KEYS, holder.decode(), int(epoch))


async def test_a_charge_point_that_works_or_was_never_connected_has_no_trouble(store: Store) -> None:
    await charge_points.put(store, "acme", "CP-1", Settings(registration="Pending"))
    assert await find(store, 99 * DAY) == {}
    lease = await connect(store)
    await charge_points.accept(store, "acme", "CP-1")
    await charge_points.boot(store, lease, b"{}")
    await connectors.record_status(store, lease, AVAILABLE)
    assert await find(store) == {}


async def test_a_refused_handshake_is_a_trouble_until_the_charge_point_connects(store: Store) -> None:
    await connect(store)
    await disconnect(store)
    at_ms = await refuse(store, "wrong_password", 0)
    found = (await find(store))["refused"]
    assert found.since_ms == at_ms
    assert found.detail == "refused once for the reason wrong_password, from 192.0.2.7"
    assert "refused" in await find(store, DAY - MINUTE)
    assert "refused" not in await find(store, DAY + MINUTE)
    await connect(store, 2)
    assert "refused" not in await find(store)


async def test_the_trouble_refused_lasts_since_the_first_of_the_present_refusals(store: Store) -> None:
    await connect(store)
    await disconnect(store)
    first = await refuse(store, "wrong_password", 0)
    await refuse(store, "wrong_token", 20 * HOUR)
    await refuse(store, "wrong_password", 40 * HOUR)
    found = (await find(store, 41 * HOUR))["refused"]
    assert found.since_ms == first
    assert found.detail == "refused 3 times, last for the reason wrong_password, from 192.0.2.7"


async def test_refusals_that_one_gateway_stores_later_count_from_the_first_one(store: Store) -> None:
    await connect(store)
    await disconnect(store)
    await refuse(store, "wrong_password", 2 * MINUTE)
    first = await refuse(store, "wrong_token", MINUTE)
    await refuse(store, "wrong_password", 3 * MINUTE)
    assert (await find(store, 4 * MINUTE))["refused"].since_ms == first


async def test_the_trouble_refused_begins_anew_after_a_connection(store: Store) -> None:
    await connect(store)
    await disconnect(store)
    await refuse(store, "wrong_password", 0)
    await store.execute("HSET", KEYS.lease, "claimed_ms", store.server_time_ms() + HOUR)
    again = await refuse(store, "wrong_password", 2 * HOUR)
    found = (await find(store, 3 * HOUR))["refused"]
    assert found.since_ms == again
    assert found.detail.startswith("refused once ")


@pytest.mark.parametrize(("online", "pause_ms"), [(True, 16 * MINUTE), (False, 25 * HOUR)])
async def test_the_trouble_refused_begins_anew_after_it_had_ended_by_time(
    store: Store, *, online: bool, pause_ms: int
) -> None:
    await connect(store)
    if not online:
        await disconnect(store)
    await refuse(store, "wrong_password", SECOND)
    again = await refuse(store, "wrong_password", pause_ms)
    assert (await find(store, pause_ms + SECOND))["refused"].since_ms == again


async def test_a_refusal_for_a_reason_of_csms_itself_neither_begins_nor_prolongs_the_present_ones(
    store: Store,
) -> None:
    await connect(store)
    await disconnect(store)
    await refuse(store, "store_away", 0)
    first = await refuse(store, "wrong_password", HOUR)
    await refuse(store, "store_away", 24 * HOUR)
    assert (await find(store, 24 * HOUR))["refused"].since_ms == first
    again = await refuse(store, "wrong_password", 26 * HOUR)
    assert (await find(store, 26 * HOUR))["refused"].since_ms == again


async def test_refusals_that_an_older_release_stored_last_since_the_last_one(store: Store) -> None:
    await connect(store)
    await disconnect(store)
    at_ms = [await refuse(store, "wrong_password", after) for after in (0, MINUTE)][-1]
    await store.execute("HDEL", KEYS.refusals, "present")
    found = (await find(store, HOUR))["refused"]
    assert found.since_ms == at_ms
    assert found.detail.startswith("refused 2 times,")


async def test_a_refusal_beside_an_open_connection_is_a_trouble_for_a_quarter_of_an_hour(
    store: Store,
) -> None:
    await connect(store)
    await refuse(store, "wrong_token", SECOND)
    assert "refused" in await find(store, 14 * MINUTE)
    assert "refused" not in await find(store, 16 * MINUTE)


async def test_a_refusal_for_a_reason_of_csms_itself_is_no_trouble(store: Store) -> None:
    await connect(store)
    await disconnect(store)
    for reason in [Reason.FLAPPING, *(one for one in Reason if one.status == 503)]:
        await refuse(store, reason.word, SECOND)
    assert await find(store) == {}


async def test_a_charge_point_is_deaf_from_the_second_unanswered_command_until_it_answers(
    store: Store,
) -> None:
    await connect(store)
    await command(store, "timeout")
    assert await find(store) == {}
    last = await command(store, "timeout")
    found = (await find(store))["deaf"]
    assert found.detail == "the last 2 commands had no answer in time"
    await command(store, "timeout")
    assert (await find(store))["deaf"].since_ms == found.since_ms
    # The answer to the last command still comes.
    await commands.settle(store, KEYS, last, status="answered", response=b"{}")
    assert await find(store) == {}
    await command(store, "timeout")
    assert await find(store) == {}


async def test_a_command_that_was_refused_with_a_callerror_also_shows_that_the_charge_point_hears(
    store: Store,
) -> None:
    await connect(store)
    for status in ("timeout", "error", "timeout"):
        await command(store, status)
    assert await find(store) == {}


async def test_a_new_connection_ends_the_trouble_deaf_and_its_count(store: Store) -> None:
    await connect(store)
    for _ in range(3):
        await command(store, "timeout")
    assert "deaf" in await find(store)
    await store.execute("HSET", KEYS.lease, "claimed_ms", store.server_time_ms() + HOUR)
    assert await find(store) == {}
    await command(store, "timeout")
    times, first_ms, last_ms = (await store.execute("HGET", KEYS.record, "unanswered")).split()
    assert times == b"1"
    assert first_ms == last_ms


async def test_a_charge_point_that_is_offline_is_not_deaf(store: Store) -> None:
    await connect(store)
    for _ in range(2):
        await command(store, "timeout")
    await disconnect(store)
    assert await find(store) == {}


async def test_a_charge_point_flaps_from_its_fifth_connection_in_a_row_until_it_has_calmed_down(
    store: Store,
) -> None:
    for number in range(4):
        await connect(store, number)
        assert "flapping" not in await find(store)
        await disconnect(store, number)
    await connect(store, 4)
    assert "flapping" in await find(store)
    assert "flapping" in await find(store, 0)
    assert "flapping" not in await find(store, 5 * MINUTE)


async def test_the_trouble_flapping_ends_within_20_minutes_however_often_the_charge_point_connected(
    store: Store,
) -> None:
    for number in range(50):
        await connect(store, number)
        await disconnect(store, number)
    assert "flapping" in await find(store, 14 * MINUTE)
    assert "flapping" not in await find(store, 20 * MINUTE)


async def test_a_repeated_claim_does_not_count_as_a_connection(store: Store) -> None:
    for _ in range(10):
        await claimed(store, "a/1")
    assert await find(store) == {}


async def test_a_charge_point_is_offline_from_5_minutes_after_its_connection_ended_until_it_connects(
    store: Store,
) -> None:
    await connect(store)
    assert "offline" not in await find(store, DAY)
    await disconnect(store)
    until_ms = int(await store.execute("HGET", KEYS.lease, "until_ms"))
    assert "offline" not in await find(store, 4 * MINUTE)
    assert (await find(store, 6 * MINUTE))["offline"].since_ms == until_ms
    await connect(store, 2)
    assert "offline" not in await find(store, 6 * MINUTE)


async def test_a_certificate_is_a_trouble_for_30_days_before_its_end_until_there_is_a_newer_one(
    store: Store,
) -> None:
    await connect(store)
    ends_ms = store.server_time_ms() + 40 * DAY
    old = IssuedCertificate(serial_number="1", issuer="CN=ca", issued_ms=1, not_after_ms=ends_ms)
    await security.add_certificate(store, KEYS, old)
    assert await find(store, 9 * DAY) == {}
    soon, late = [(await find(store, days * DAY + HOUR))["certificate_expiring"] for days in (37, 41)]
    assert soon.since_ms == ends_ms - 30 * DAY
    assert soon.detail == "whole days until the last client certificate expires: 2"
    assert late.since_ms == soon.since_ms
    assert late.detail == "the last client certificate has expired"
    new = msgspec.structs.replace(old, serial_number="2", not_after_ms=ends_ms + 365 * DAY)
    await security.add_certificate(store, KEYS, new)
    assert await find(store, 37 * DAY) == {}
    await security.settle_certificate(store, KEYS, "2", "rejected")
    assert "certificate_expiring" in await find(store, 37 * DAY)


async def test_a_certificate_of_less_than_30_days_is_a_trouble_since_it_was_issued(store: Store) -> None:
    await connect(store)
    now_ms = store.server_time_ms()
    short = IssuedCertificate(
        serial_number="1", issuer="CN=ca", issued_ms=now_ms - HOUR, not_after_ms=now_ms + 7 * DAY
    )
    await security.add_certificate(store, KEYS, short)
    assert (await find(store))["certificate_expiring"].since_ms == short.issued_ms


async def begin(store: Store, lease: Lease, tag: str, **changes: object) -> int:
    start = a_start(id_tag=tag, received_ms=store.server_time_ms(), **changes)
    outcome = await transactions.start(store, lease, start, ANSWER)
    return outcome.id


async def test_a_transaction_has_no_stop_if_its_connector_began_another_one(store: Store) -> None:
    lease = await connect(store)
    first = await begin(store, lease, "A")
    await begin(store, lease, "B", connector_id=2)
    assert await find(store) == {}
    await begin(store, lease, "C")
    found = (await find(store))["transaction_without_stop"]
    assert found.detail == f"open transactions, by their OCPP ids: {first}"
    superseded_ms = await store.execute("HGET", KEYS.transaction(first), "superseded_ms")
    assert found.since_ms == int(superseded_ms)
    await store.execute("HDEL", KEYS.transaction(first), "superseded_ms")  # As an older release left it.
    assert "transaction_without_stop" in await find(store)
    await transactions.stop(store, lease, a_stop(first), ANSWER)
    assert await find(store) == {}


async def test_a_transaction_has_no_stop_if_its_connector_is_available_again(store: Store) -> None:
    lease = await connect(store)
    earlier = msgspec.structs.replace(AVAILABLE, received_ms=store.server_time_ms() - HOUR)
    await connectors.record_status(store, lease, earlier)
    number = await begin(store, lease, "A")
    assert await find(store) == {}
    later = msgspec.structs.replace(AVAILABLE, received_ms=store.server_time_ms() + 1)
    await connectors.record_status(store, lease, later)
    received_ms = int(await store.execute("HGET", KEYS.transaction(number), "received_ms"))
    # The connector has been Available since before the transaction began.
    assert (await find(store))["transaction_without_stop"].since_ms == received_ms
    await transactions.stop(store, lease, a_stop(number), ANSWER)
    assert await find(store) == {}


async def test_repeated_statuses_do_not_move_the_time_since_which_a_stop_is_missing(store: Store) -> None:
    lease = await connect(store)
    charging = msgspec.structs.replace(AVAILABLE, status="Charging")
    await connectors.record_status(store, lease, charging)
    await begin(store, lease, "A")
    later_ms = store.server_time_ms() + 1
    since = []
    for number in range(2):
        again = msgspec.structs.replace(AVAILABLE, received_ms=later_ms + number * HOUR, info=str(number))
        await connectors.record_status(store, lease, again)
        since.append((await find(store))["transaction_without_stop"].since_ms)
    assert since[0] == since[1]
    [stored] = await connectors.list_(store, "acme", "CP-1")
    assert stored.since_ms == since[0]
    assert stored.info == "1"


async def test_a_transaction_of_more_than_3_days_has_no_stop(store: Store) -> None:
    lease = await connect(store)
    number = await begin(store, lease, "A", connector_id=None)
    assert "transaction_without_stop" not in await find(store, 3 * DAY - HOUR)
    received_ms = int(await store.execute("HGET", KEYS.transaction(number), "received_ms"))
    found = (await find(store, 3 * DAY + HOUR))["transaction_without_stop"]
    assert found.since_ms == received_ms + 3 * DAY
    await transactions.stop(store, lease, a_stop(number), ANSWER)
    assert "transaction_without_stop" not in await find(store, 3 * DAY + HOUR)


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
async def test_a_charge_point_is_held_back_until_an_operator_accepts_it(
    store: Store, status: charge_points.BootStatus
) -> None:
    await charge_points.put(store, "acme", "CP-1", Settings(registration=status))
    lease = await connect(store)
    assert await find(store) == {}
    await charge_points.boot(store, lease, b"{}")
    found = (await find(store))["held_back"]
    assert found.detail == f"the last BootNotification was answered {status}"
    await store.execute("HSET", KEYS.record, "held_back_ms", 7)
    await charge_points.boot(store, lease, b"{}")
    assert (await find(store))["held_back"].since_ms == 7
    await store.execute("HDEL", KEYS.record, "held_back_ms")  # As an older release left it.
    booted_ms = int(await store.execute("HGET", KEYS.record, "booted_ms"))
    assert (await find(store))["held_back"].since_ms == booted_ms
    await charge_points.accept(store, "acme", "CP-1")
    assert await find(store) == {}


async def test_a_charge_point_that_was_accepted_in_between_is_held_back_since_the_first_boot_after(
    store: Store,
) -> None:
    await charge_points.put(store, "acme", "CP-1", Settings(registration="Pending"))
    lease = await connect(store)
    await charge_points.boot(store, lease, b"{}")
    await store.execute("HSET", KEYS.record, "held_back_ms", 7)
    await charge_points.accept(store, "acme", "CP-1")
    await charge_points.boot(store, lease, b"{}")
    await charge_points.put(store, "acme", "CP-1", Settings(registration="Rejected"))
    await charge_points.boot(store, lease, b"{}")
    booted_ms = int(await store.execute("HGET", KEYS.record, "booted_ms"))
    assert (await find(store))["held_back"].since_ms == booted_ms


async def test_a_wrong_clock_is_a_trouble_for_a_day_or_until_a_status_has_a_right_time(store: Store) -> None:
    lease = await connect(store)
    await count(store, time_before_2015=3)
    assert "clock_wrong" in await find(store, 23 * HOUR)
    assert "clock_wrong" not in await find(store, 25 * HOUR)
    without = msgspec.structs.replace(AVAILABLE, received_ms=store.server_time_ms() + MINUTE)
    await connectors.record_status(store, lease, without)
    assert "clock_wrong" in await find(store)
    right = msgspec.structs.replace(without, timestamp="2026-01-01T00:00:00Z")
    await connectors.record_status(store, lease, right)
    assert await find(store) == {}


def _without_since(stored: str) -> str:
    """Return what an older release stored."""
    return re.sub(r',"since_ms":\d+', "", stored)


async def test_a_changed_key_that_waits_for_a_reboot_is_a_trouble_until_the_charge_point_boots(
    store: Store,
) -> None:
    lease = await connect(store)
    await configuration.change(store, KEYS, "ConnectionTimeOut", "60", "RebootRequired")
    since_ms = (await find(store))["reboot_required"].since_ms
    pending = (await store.execute("HGET", KEYS.configuration_pending, "connectiontimeout")).decode()
    before = pending.replace(f'"since_ms":{since_ms}', '"since_ms":7')
    await store.execute("HSET", KEYS.configuration_pending, "connectiontimeout", before)
    await configuration.change(store, KEYS, "ConnectionTimeOut", "90", "RebootRequired")
    assert (await find(store))["reboot_required"].since_ms == 7
    await store.execute("HSET", KEYS.configuration_pending, "connectiontimeout", _without_since(pending))
    # What an older release stored has only the time of the change, which csms took a moment before.
    assert abs((await find(store))["reboot_required"].since_ms - since_ms) < 60_000
    await charge_points.boot(store, lease, b"{}")
    assert await find(store) == {}


async def test_a_charge_point_is_sloppy_from_a_hundred_faults_a_day_until_it_makes_no_more(
    store: Store,
) -> None:
    await connect(store)
    await count(store, extra_property=98)
    assert await find(store) == {}
    await count(store, number_for_text=2_000, flapping=1)
    assert "sloppy" in await find(store, 20 * HOUR)
    assert "sloppy" not in await find(store, 25 * HOUR)
    await faults.forget(store, "acme", "CP-1")
    assert await find(store) == {}


async def test_faults_that_another_trouble_shows_do_not_make_a_charge_point_sloppy(store: Store) -> None:
    await connect(store)
    await count(store, **dict.fromkeys(NOT_SLOPPY, 1_000))
    assert set(await find(store)) == {"clock_wrong"}
    assert FAULTS.keys() >= NOT_SLOPPY


async def test_a_deletion_of_the_faults_also_ends_the_trouble_of_a_wrong_clock(store: Store) -> None:
    await connect(store)
    await count(store, time_ahead=1)
    assert "clock_wrong" in await find(store)
    await faults.forget(store, "acme", "CP-1")
    assert await find(store) == {}


async def test_troubles_are_in_the_order_of_their_urgency(store: Store) -> None:
    lease = await connect(store)
    await count(store, extra_property=1_000, time_ahead=1)
    await configuration.change(store, KEYS, "ConnectionTimeOut", "60", "RebootRequired")
    await begin(store, lease, "A")
    await begin(store, lease, "B")
    await disconnect(store)
    await refuse(store, "no_password", SECOND)
    found = list(await find(store, 10 * MINUTE))
    assert found == [kind for kind in KINDS if kind in found]
    assert len(found) == 6


async def test_the_facts_of_an_unknown_charge_point_are_none(store: Store) -> None:
    assert await facts.read(store, [KEYS]) == [None]
