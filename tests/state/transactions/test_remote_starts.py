"""At most one transaction belongs to an accepted RemoteStartTransaction, within limits of time and number."""

from typing import Any

import msgspec
import pytest

from state import charge_points, commands, transactions
from state.commands import Go
from state.commands.record import Command
from state.nodes.leases import Lease
from state.store import Store
from state.transactions import Start, Started, remote_starts
from state.transactions.remote_starts import AT_ONCE, LASTS_MS, SKEW_MS, Expected
from tests.support.commands import ADMIN, KEYS, TENANT, current, open_inbox, seat, submitted, woken
from tests.support.transactions import ANSWER, a_start


@pytest.fixture
async def lease(store: Store) -> Lease:
    """The lease of the charge point's session. The inboxes of the node and of the admin process exist."""
    await open_inbox(store)
    await open_inbox(store, ADMIN)
    return await seat(store)


async def accept(store: Store, lease: Lease, *, tag: str = "Tag", connector: int | None = None) -> Command:
    """Send a remote start that the charge point answers with Accepted."""
    asked: dict[str, Any] = {"idTag": tag} | ({} if connector is None else {"connectorId": connector})
    command = await submitted(store, action="RemoteStartTransaction", payload=msgspec.json.encode(asked))
    assert isinstance(await commands.claim(store, lease, command.id, "nonce"), Go)
    await remote_starts.expect(store, KEYS, command.id, id_tag=tag, connector_id=connector)
    await commands.settle(store, KEYS, command.id, status="answered", response=b'{"status":"Accepted"}')
    return command


def now_start(store: Store, *, ago_ms: int = 0, **changes: Any) -> Start:
    """Return a StartTransaction that arrives now and has a time `ago_ms` milliseconds before now."""
    now = store.server_time_ms()
    return a_start(**({"started_ms": now - ago_ms, "received_ms": now} | changes))


async def begin(store: Store, lease: Lease, start: Start) -> tuple[int, str | None]:
    """Store a StartTransaction as the gateway does. Returns the id of the transaction and the id of the
    command.
    """
    outcome = await transactions.start(store, lease, start, ANSWER)
    return outcome.id, await remote_starts.fulfil(store, KEYS, start, outcome.id)


async def list_expected(store: Store) -> set[str]:
    return {id_.decode() for id_ in await store.execute("HKEYS", KEYS.remote_starts)}


async def list_named(store: Store) -> list[dict[str, Any]]:
    """Return the events that name the transaction of a command."""
    entries = await store.execute("XRANGE", KEYS.events, "-", "+")
    read = (dict(zip(flat[::2], flat[1::2], strict=True)) for _, flat in entries)
    return [msgspec.json.decode(one[b"data"]) for one in read if one[b"kind"] == b"command.transaction"]


async def test_the_command_of_a_remote_start_gets_the_transaction_id_and_the_waiting_request_is_woken(
    store: Store, lease: Lease
) -> None:
    command = await accept(store, lease, connector=1)
    heard = len(await woken(store, ADMIN))
    transaction_id, answers = await begin(store, lease, now_start(store))
    public = f"{KEYS.id}.{transaction_id}"
    assert answers == command.id
    assert (await current(store, command)).transaction == public
    assert await list_named(store) == [{"command": command.id, "transaction_id": public}]
    assert len(await woken(store, ADMIN)) == heard + 1
    assert await list_expected(store) == set()


async def test_a_transaction_that_no_remote_start_requested_does_not_belong_to_any_command(
    store: Store, lease: Lease
) -> None:
    _, answers = await begin(store, lease, now_start(store))
    assert answers is None
    assert await list_named(store) == []


@pytest.mark.parametrize("asked", ["Tag", "TAG", "tag"])
async def test_a_transaction_matches_a_remote_start_even_if_the_letter_case_of_the_id_tag_differs(
    store: Store, lease: Lease, asked: str
) -> None:
    command = await accept(store, lease, tag=asked)
    assert (await begin(store, lease, now_start(store, id_tag="tAG")))[1] == command.id


@pytest.mark.parametrize(
    ("asked", "began", "meets"), [(None, 2, True), (2, 2, True), (1, 2, False)], ids=["any", "that", "other"]
)
async def test_a_remote_start_that_names_a_connector_matches_only_a_transaction_on_that_connector(
    store: Store, lease: Lease, asked: int | None, began: int, *, meets: bool
) -> None:
    command = await accept(store, lease, connector=asked)
    _, answers = await begin(store, lease, now_start(store, connector_id=began))
    assert answers == (command.id if meets else None)
    assert await list_expected(store) == (set() if meets else {command.id})


async def test_a_transaction_with_another_id_tag_does_not_match_a_remote_start(
    store: Store, lease: Lease
) -> None:
    command = await accept(store, lease)
    assert (await begin(store, lease, now_start(store, id_tag="Other")))[1] is None
    assert await list_expected(store) == {command.id}


async def test_a_transaction_matches_the_newest_of_several_remote_starts_and_removes_the_older_ones(
    store: Store, lease: Lease
) -> None:
    first, second = await accept(store, lease), await accept(store, lease)
    await _since(store, first, store.server_time_ms() - 5000)
    other = await accept(store, lease, tag="Other")
    transaction_id, answers = await begin(store, lease, now_start(store))
    assert answers == second.id
    assert (await current(store, first)).transaction is None
    assert await list_expected(store) == {other.id}
    # A remote start that was removed stays removed, even if the gateway stores the answer to it again after
    # an outage.
    await remote_starts.expect(store, KEYS, first.id, id_tag="Tag", connector_id=None)
    assert await list_expected(store) == {other.id}
    assert [one["transaction_id"] for one in await list_named(store)] == [f"{KEYS.id}.{transaction_id}"]


async def test_a_transaction_may_start_at_most_one_minute_before_the_remote_start_that_it_matches(
    store: Store, lease: Lease
) -> None:
    command = await accept(store, lease)
    offline = now_start(store, ago_ms=SKEW_MS + 5000, connector_id=2)
    assert (await begin(store, lease, offline))[1] is None
    behind = now_start(store, ago_ms=SKEW_MS - 5000, connector_id=1)
    assert (await begin(store, lease, behind))[1] == command.id


async def test_the_match_with_a_remote_start_ignores_the_start_time_if_the_charge_point_clock_was_never_set(
    store: Store, lease: Lease
) -> None:
    command = await accept(store, lease)
    start = now_start(store, started_ms=0, plausible=False, timestamp="1970-01-01T00:00:00Z")
    assert (await begin(store, lease, start))[1] == command.id


async def test_a_transaction_does_not_match_a_remote_start_that_has_expired(
    store: Store, lease: Lease
) -> None:
    command = await accept(store, lease)
    assert 0 < await store.execute("PTTL", KEYS.remote_starts) <= LASTS_MS
    await _since(store, command, store.server_time_ms() - LASTS_MS - 1000)
    assert (await begin(store, lease, now_start(store)))[1] is None
    assert (await current(store, command)).transaction is None


def test_a_transaction_does_not_match_a_remote_start_that_is_too_old_or_too_far_in_the_future() -> None:
    one = Expected(since_ms=1_000_000, connector_id=1, id_tag="tag")
    start = a_start(id_tag="TAG", connector_id=1, started_ms=1_000_000)
    assert one.matches(start, 1_000_000 + LASTS_MS)
    assert not one.matches(start, 1_000_001 + LASTS_MS)
    early = msgspec.structs.replace(start, started_ms=1_000_000 - SKEW_MS)
    assert one.matches(early, 1_000_000)
    assert not one.matches(msgspec.structs.replace(early, started_ms=early.started_ms - 1), 1_000_000)


async def test_a_repeat_of_a_start_that_matched_a_remote_start_does_not_match_another_remote_start(
    store: Store, lease: Lease
) -> None:
    first = await accept(store, lease)
    start = now_start(store)
    transaction_id, answers = await begin(store, lease, start)
    assert answers == first.id
    # After a second remote start, the charge point repeats the StartTransaction that followed the first one.
    second = await accept(store, lease)
    replayed = await transactions.find_start(store, lease, start)
    assert replayed is not None
    assert await remote_starts.fulfil(store, KEYS, start, transaction_id) is None
    assert (await current(store, second)).transaction is None
    assert await list_expected(store) == {second.id}
    assert len(await list_named(store)) == 1


async def test_a_repeated_start_transaction_request_does_not_match_a_remote_start_that_was_sent_in_between(
    store: Store, lease: Lease
) -> None:
    start = now_start(store, ago_ms=0)
    early = msgspec.structs.replace(start, received_ms=start.received_ms - 10_000)
    started = await transactions.start(store, lease, early, ANSWER)
    assert isinstance(started, Started)
    command = await accept(store, lease)
    assert await remote_starts.fulfil(store, KEYS, start, started.id) is None
    assert await list_expected(store) == {command.id}
    # A later StartTransaction still belongs to the remote start.
    later = now_start(store, connector_id=2)
    assert (await begin(store, lease, later))[1] == command.id


async def test_repeated_calls_to_expect_or_fulfil_a_remote_start_change_nothing(
    store: Store, lease: Lease
) -> None:
    command = await accept(store, lease)
    await remote_starts.expect(store, KEYS, command.id, id_tag="Tag", connector_id=None)
    assert await list_expected(store) == {command.id}
    start = now_start(store)
    transaction_id, _ = await begin(store, lease, start)
    for _ in range(2):
        assert await remote_starts.fulfil(store, KEYS, start, transaction_id) is None
        await remote_starts.expect(store, KEYS, command.id, id_tag="Tag", connector_id=None)
    assert await list_expected(store) == set()
    assert (await current(store, command)).transaction == f"{KEYS.id}.{transaction_id}"
    assert len(await list_named(store)) == 1


async def test_no_transaction_matches_a_remote_start_whose_command_record_is_gone(
    store: Store, lease: Lease
) -> None:
    command = await accept(store, lease)
    await store.execute("UNLINK", KEYS.command(command.id))
    assert (await begin(store, lease, now_start(store)))[1] is None
    await store.execute("UNLINK", KEYS.remote_starts)
    await remote_starts.expect(store, KEYS, command.id, id_tag="Tag", connector_id=None)
    assert await list_expected(store) == set()
    assert not await store.execute("EXISTS", KEYS.command(command.id))


async def test_the_oldest_remote_start_is_forgotten_if_too_many_are_waiting(
    store: Store, lease: Lease
) -> None:
    """Remote starts whose drivers never plug in must not prevent later drivers' starts from being matched."""
    now = store.server_time_ms()
    asked = []
    for number in range(AT_ONCE + 3):
        asked.append(command := await accept(store, lease, tag=f"Tag{number}"))
        await _since(store, command, now - 60_000 + number)
    assert await list_expected(store) == {command.id for command in asked[3:]}
    last = now_start(store, id_tag=f"Tag{AT_ONCE + 2}")
    assert (await begin(store, lease, last))[1] == asked[-1].id


async def test_a_transaction_matches_its_remote_start_even_if_the_inbox_of_the_admin_process_is_lost(
    store: Store, lease: Lease
) -> None:
    command = await accept(store, lease)
    await store.execute("UNLINK", f"csms:inbox:{{{ADMIN}}}")
    assert (await begin(store, lease, now_start(store)))[1] == command.id


async def test_remote_starts_are_deleted_when_the_charge_point_is_deleted(store: Store, lease: Lease) -> None:
    await accept(store, lease)
    await store.execute("UNLINK", KEYS.lease)
    await charge_points.delete(store, TENANT, KEYS.id)
    assert not await store.execute("EXISTS", KEYS.remote_starts)


async def _since(store: Store, command: Command, since_ms: int) -> None:
    """Change the time at which the charge point accepted a command."""
    read = msgspec.json.decode(await store.execute("HGET", KEYS.remote_starts, command.id), type=Expected)
    changed = msgspec.json.encode(read._replace(since_ms=since_ms))
    await store.execute("HSET", KEYS.remote_starts, command.id, changed)
