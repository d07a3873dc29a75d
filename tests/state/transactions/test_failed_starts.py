"""Starts that failed are counted by their time, and the set of them is bounded."""

import pytest

from state import commands
from state.commands import Go, Submitted
from state.commands.table import Status
from state.nodes import nodes
from state.nodes.leases import Lease
from state.nodes.nodes import NodeRecord
from state.store import Store
from state.transactions import failed_starts
from tests.support.leases import KEYS, claimed

ACCEPTED, REJECTED = b'{ "status" : "Accepted" }', b'{"status":"Rejected"}'
DAY_MS = 86_400_000


async def remote_start(store: Store) -> str:
    sent = await commands.submit(
        store,
        "acme",
        "CP-1",
        action="RemoteStartTransaction",
        payload=b'{"idTag":"A"}',
        ttl_ms=60_000,
        reply_to="admin",
    )
    assert isinstance(sent, Submitted)
    return sent.command.id


async def connect(store: Store) -> Lease:
    lease = (await claimed(store, "a/1")).lease
    await nodes.beat(store, "a", NodeRecord(kind="gateway", host="h", pid=1, started_ms=1))
    return lease


async def test_a_failed_start_counts_once_from_its_time_on(store: Store) -> None:
    before_ms = store.server_time_ms() - 1_000
    for id_ in ("CP-1.1", "CP-1.1", "CP-1.2"):
        await failed_starts.note(store, KEYS, id_)
    assert await failed_starts.count(store, "acme", before_ms) == 2
    assert await failed_starts.count(store, "acme", store.server_time_ms() + 60_000) == 0
    assert await failed_starts.count(store, "other", before_ms) == 0


@pytest.mark.parametrize(
    ("status", "response", "failed"),
    [
        ("answered", ACCEPTED, 0),
        ("answered", REJECTED, 1),
        ("error", None, 1),
        ("timeout", None, 1),
        ("unknown", None, 1),
    ],
)
async def test_a_remote_start_that_was_not_accepted_is_a_failed_start(
    store: Store, status: Status, response: bytes | None, failed: int
) -> None:
    lease = await connect(store)
    id_ = await remote_start(store)
    assert isinstance(await commands.claim(store, lease, id_, "n"), Go)
    await commands.settle(store, KEYS, id_, status=status, response=response)
    assert await failed_starts.count(store, "acme", 0) == failed


async def test_a_remote_start_that_is_accepted_late_did_not_fail(store: Store) -> None:
    lease = await connect(store)
    id_ = await remote_start(store)
    assert isinstance(await commands.claim(store, lease, id_, "n"), Go)
    await commands.settle(store, KEYS, id_, status="timeout")
    assert await failed_starts.count(store, "acme", 0) == 1
    await commands.settle(store, KEYS, id_, status="answered", response=ACCEPTED)
    assert await failed_starts.count(store, "acme", 0) == 0


async def test_a_remote_start_to_a_charge_point_that_is_offline_is_a_failed_start(store: Store) -> None:
    await remote_start(store)
    assert await failed_starts.count(store, "acme", 0) == 1


async def test_failed_starts_are_kept_for_two_days_and_their_number_is_bounded(store: Store) -> None:
    now_ms = store.server_time_ms()
    many = [part for number in range(10_000) for part in (now_ms - DAY_MS, f"CP-1.{number}")]
    await store.execute("ZADD", KEYS.failed_starts, *many)
    await store.execute("ZADD", KEYS.failed_starts, now_ms - 3 * DAY_MS, "CP-1.20000")
    await failed_starts.note(store, KEYS, "CP-1.30000")
    assert await failed_starts.count(store, "acme", 0) == 10_000
    assert await store.execute("ZSCORE", KEYS.failed_starts, "CP-1.20000") is None
    assert await store.execute("ZSCORE", KEYS.failed_starts, "CP-1.30000") is not None
    assert 0 < await store.execute("PTTL", KEYS.failed_starts) <= 2 * DAY_MS
