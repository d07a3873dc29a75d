"""Which transaction an accepted RemoteStartTransaction became: expected once, fulfilled once, bounded."""

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
    """The charge point's session, with its node's inbox and the admin's."""
    await open_inbox(store)
    await open_inbox(store, ADMIN)
    return await seat(store)


async def accepted(store: Store, lease: Lease, *, tag: str = "Tag", connector: int | None = None) -> Command:
    """A remote start that the charge point has answered with Accepted."""
    asked: dict[str, Any] = {"idTag": tag} | ({} if connector is None else {"connectorId": connector})
    command = await submitted(store, action="RemoteStartTransaction", payload=msgspec.json.encode(asked))
    assert isinstance(await commands.claim(store, lease, command.id, "nonce"), Go)
    await remote_starts.expect(store, KEYS, command.id, id_tag=tag, connector_id=connector)
    await commands.settle(store, KEYS, command.id, status="answered", response=b'{"status":"Accepted"}')
    return command


def now_start(store: Store, *, ago_ms: int = 0, **changes: Any) -> Start:
    """A start of this moment, or of a moment ago, that has just come."""
    now = store.server_time_ms()
    return a_start(**({"started_ms": now - ago_ms, "received_ms": now} | changes))


async def begun(store: Store, lease: Lease, start: Start) -> tuple[int, str | None]:
    """What the gateway does with a StartTransaction: the transaction's id, and the command it answers."""
    outcome = await transactions.start(store, lease, start, ANSWER)
    return outcome.id, await remote_starts.fulfil(store, KEYS, start, outcome.id)


async def expected(store: Store) -> set[str]:
    return {id_.decode() for id_ in await store.execute("HKEYS", KEYS.remote_starts)}


async def named(store: Store) -> list[dict[str, Any]]:
    """The events that say what a command became."""
    entries = await store.execute("XRANGE", KEYS.events, "-", "+")
    read = (dict(zip(flat[::2], flat[1::2], strict=True)) for _, flat in entries)
    return [msgspec.json.decode(one[b"data"]) for one in read if one[b"kind"] == b"command.transaction"]


async def test_the_transaction_is_named_by_its_command_and_whoever_waits_is_woken(
    store: Store, lease: Lease
) -> None:
    command = await accepted(store, lease, connector=1)
    heard = len(await woken(store, ADMIN))
    transaction_id, answers = await begun(store, lease, now_start(store))
    public = f"{KEYS.id}.{transaction_id}"
    assert answers == command.id
    assert (await current(store, command)).transaction == public
    assert await named(store) == [{"command": command.id, "transaction_id": public}]
    assert len(await woken(store, ADMIN)) == heard + 1
    assert await expected(store) == set()


async def test_nobody_asked_for_it(store: Store, lease: Lease) -> None:
    _, answers = await begun(store, lease, now_start(store))
    assert answers is None
    assert await named(store) == []


@pytest.mark.parametrize("asked", ["Tag", "TAG", "tag"])
async def test_a_tag_is_the_same_in_any_case(store: Store, lease: Lease, asked: str) -> None:
    command = await accepted(store, lease, tag=asked)
    assert (await begun(store, lease, now_start(store, id_tag="tAG")))[1] == command.id


@pytest.mark.parametrize(
    ("asked", "began", "meets"), [(None, 2, True), (2, 2, True), (1, 2, False)], ids=["any", "that", "other"]
)
async def test_the_connector_if_one_was_named(
    store: Store, lease: Lease, asked: int | None, began: int, *, meets: bool
) -> None:
    command = await accepted(store, lease, connector=asked)
    _, answers = await begun(store, lease, now_start(store, connector_id=began))
    assert answers == (command.id if meets else None)
    assert await expected(store) == (set() if meets else {command.id})


async def test_another_tag_is_another_drivers(store: Store, lease: Lease) -> None:
    command = await accepted(store, lease)
    assert (await begun(store, lease, now_start(store, id_tag="Other")))[1] is None
    assert await expected(store) == {command.id}


async def test_the_newest_of_several_is_answered_and_the_older_were_never_kept(
    store: Store, lease: Lease
) -> None:
    first, second = await accepted(store, lease), await accepted(store, lease)
    await _since(store, first, store.server_time_ms() - 5000)
    other = await accepted(store, lease, tag="Other")
    transaction_id, answers = await begun(store, lease, now_start(store))
    assert answers == second.id
    assert (await current(store, first)).transaction is None
    assert await expected(store) == {other.id}
    # What was given up stays so, even if an outage has the gateway tell of it again.
    await remote_starts.expect(store, KEYS, first.id, id_tag="Tag", connector_id=None)
    assert await expected(store) == {other.id}
    assert [one["transaction_id"] for one in await named(store)] == [f"{KEYS.id}.{transaction_id}"]


async def test_a_clock_behind_is_forgiven_and_an_offline_start_is_not_taken(
    store: Store, lease: Lease
) -> None:
    command = await accepted(store, lease)
    offline = now_start(store, ago_ms=SKEW_MS + 5000, connector_id=2)
    assert (await begun(store, lease, offline))[1] is None
    behind = now_start(store, ago_ms=SKEW_MS - 5000, connector_id=1)
    assert (await begun(store, lease, behind))[1] == command.id


async def test_a_clock_that_was_never_set_says_nothing(store: Store, lease: Lease) -> None:
    command = await accepted(store, lease)
    start = now_start(store, started_ms=0, plausible=False, timestamp="1970-01-01T00:00:00Z")
    assert (await begun(store, lease, start))[1] == command.id


async def test_a_promise_is_kept_within_its_time_or_not_at_all(store: Store, lease: Lease) -> None:
    command = await accepted(store, lease)
    assert 0 < await store.execute("PTTL", KEYS.remote_starts) <= LASTS_MS
    await _since(store, command, store.server_time_ms() - LASTS_MS - 1000)
    assert (await begun(store, lease, now_start(store)))[1] is None
    assert (await current(store, command)).transaction is None


def test_what_meets_an_expectation() -> None:
    one = Expected(since_ms=1_000_000, connector_id=1, id_tag="tag")
    start = a_start(id_tag="TAG", connector_id=1, started_ms=1_000_000)
    assert one.matches(start, 1_000_000 + LASTS_MS)
    assert not one.matches(start, 1_000_001 + LASTS_MS)
    early = msgspec.structs.replace(start, started_ms=1_000_000 - SKEW_MS)
    assert one.matches(early, 1_000_000)
    assert not one.matches(msgspec.structs.replace(early, started_ms=early.started_ms - 1), 1_000_000)


async def test_a_repeated_start_changes_nothing(store: Store, lease: Lease) -> None:
    first = await accepted(store, lease)
    start = now_start(store)
    transaction_id, answers = await begun(store, lease, start)
    assert answers == first.id
    # The driver has stopped; somebody asks again, and the charge point repeats the first start.
    second = await accepted(store, lease)
    replayed = await transactions.find_start(store, lease, start)
    assert replayed is not None
    assert await remote_starts.fulfil(store, KEYS, start, transaction_id) is None
    assert (await current(store, second)).transaction is None
    assert await expected(store) == {second.id}
    assert len(await named(store)) == 1


async def test_the_repeat_of_a_start_that_came_before_anybody_asked(store: Store, lease: Lease) -> None:
    start = now_start(store, ago_ms=0)
    early = msgspec.structs.replace(start, received_ms=start.received_ms - 10_000)
    started = await transactions.start(store, lease, early, ANSWER)
    assert isinstance(started, Started)
    command = await accepted(store, lease)
    assert await remote_starts.fulfil(store, KEYS, start, started.id) is None
    assert await expected(store) == {command.id}
    # The start that it does ask for is still found.
    later = now_start(store, connector_id=2)
    assert (await begun(store, lease, later))[1] == command.id


async def test_an_outage_may_repeat_all_of_it(store: Store, lease: Lease) -> None:
    command = await accepted(store, lease)
    await remote_starts.expect(store, KEYS, command.id, id_tag="Tag", connector_id=None)
    assert await expected(store) == {command.id}
    start = now_start(store)
    transaction_id, _ = await begun(store, lease, start)
    for _ in range(2):
        assert await remote_starts.fulfil(store, KEYS, start, transaction_id) is None
        await remote_starts.expect(store, KEYS, command.id, id_tag="Tag", connector_id=None)
    assert await expected(store) == set()
    assert (await current(store, command)).transaction == f"{KEYS.id}.{transaction_id}"
    assert len(await named(store)) == 1


async def test_a_command_that_is_forgotten_is_not_expected(store: Store, lease: Lease) -> None:
    command = await accepted(store, lease)
    await store.execute("UNLINK", KEYS.command(command.id))
    assert (await begun(store, lease, now_start(store)))[1] is None
    await store.execute("UNLINK", KEYS.remote_starts)
    await remote_starts.expect(store, KEYS, command.id, id_tag="Tag", connector_id=None)
    assert await expected(store) == set()
    assert not await store.execute("EXISTS", KEYS.command(command.id))


async def test_the_oldest_gives_way_to_the_newest(store: Store, lease: Lease) -> None:
    """Drivers who never plug in must not keep those who come later from being found."""
    now = store.server_time_ms()
    asked = []
    for number in range(AT_ONCE + 3):
        asked.append(command := await accepted(store, lease, tag=f"Tag{number}"))
        await _since(store, command, now - 60_000 + number)
    assert await expected(store) == {command.id for command in asked[3:]}
    last = now_start(store, id_tag=f"Tag{AT_ONCE + 2}")
    assert (await begun(store, lease, last))[1] == asked[-1].id


async def test_a_lost_inbox_holds_nothing_up(store: Store, lease: Lease) -> None:
    command = await accepted(store, lease)
    await store.execute("UNLINK", f"csms:inbox:{{{ADMIN}}}")
    assert (await begun(store, lease, now_start(store)))[1] == command.id


async def test_it_is_deleted_with_the_charge_point(store: Store, lease: Lease) -> None:
    await accepted(store, lease)
    await store.execute("UNLINK", KEYS.lease)
    await charge_points.delete(store, TENANT, KEYS.id)
    assert not await store.execute("EXISTS", KEYS.remote_starts)


async def _since(store: Store, command: Command, since_ms: int) -> None:
    """Let it have been promised at another time."""
    read = msgspec.json.decode(await store.execute("HGET", KEYS.remote_starts, command.id), type=Expected)
    changed = msgspec.json.encode(read._replace(since_ms=since_ms))
    await store.execute("HSET", KEYS.remote_starts, command.id, changed)
