"""An orphaned stop that an operator joined is stored as the stop of its transaction, in one step."""

from typing import Any

import msgspec
import pytest

from state import holds
from state.keys import ChargePointKeys
from state.nodes.leases import Lease
from state.store import Store
from state.transactions import (
    Limit,
    Orphaned,
    Present,
    Started,
    Transaction,
    find_start,
    forgetting,
    get,
    joining,
    orphans,
    start,
    stop,
)
from state.transactions.joining import Join
from state.transactions.orphans import Orphan, Stored
from tests.support.full_store import full
from tests.support.transactions import ANSWER, a_start, a_stop, claimed, events

KEYS = ChargePointKeys("demo", "CP.1")
JOIN = Join("key-1", 1_767_300_000_000)


async def begin(store: Store, lease: Lease, **changes: Any) -> int:
    outcome = await start(store, lease, a_start(**changes), ANSWER, limit=Limit(1, b"{}"))
    assert isinstance(outcome, Started)
    return outcome.id


async def lose(store: Store, lease: Lease, **changes: Any) -> Stored:
    outcome = await stop(store, lease, a_stop(-1, **changes), b'{"n":1}')
    assert isinstance(outcome, Orphaned)
    kept = (await orphans.read(store, "demo", "CP.1")).items[-1]
    found = await orphans.get(store, KEYS, kept.digest())
    assert found is not None
    return found


async def find(store: Store, id_: int) -> Transaction:
    found = await get(store, "demo", f"CP.1.{id_}")
    assert found is not None
    return found


async def test_a_joined_stop_frees_the_connector_and_the_hold_and_enters_the_order_of_completion(
    store: Store,
) -> None:
    lease = await claimed(store)
    id_, orphan = await begin(store, lease), await lose(store, lease, reason="PowerLoss")
    assert await joining.join(store, KEYS, id_, orphan, JOIN, force=False) == "joined"
    found = await find(store, id_)
    assert (found.state, found.meter_stop, found.reason) == ("stopped", 200, "PowerLoss")
    assert (found.joined_by, found.joined_ms, found.revision) == ("key-1", JOIN.received_ms, 1)
    assert found.stopped_received_ms == orphan.orphan.received_ms
    [entry] = await store.execute("XRANGE", KEYS.completed, "-", "+")
    assert b"joined_stop" in entry[1]
    assert await store.execute("EXISTS", KEYS.open, KEYS.open_transactions) == 0
    assert await holds.hold(store, KEYS, "Tag", "another", 1)
    present = await find_start(store, lease, a_start(timestamp="2026-01-02T00:00:00Z"))
    assert isinstance(present, Present)
    assert present.running is None
    [kept] = (await orphans.read(store, "demo", "CP.1")).items
    assert kept == msgspec.structs.replace(orphan.orphan, joined_to=id_)
    kind, data = (await events(store, lease))[-1]
    assert kind == "transaction.stop_joined"
    assert data == {
        "transaction_id": f"CP.1.{id_}",
        "timestamp": "2026-01-01T01:00:00Z",
        "meter_stop": 200,
        "id_tag": None,
        "reason": "PowerLoss",
        "orphaned_stop": orphan.orphan.digest(),
        "api_key": "key-1",
    }


async def test_a_stop_that_still_comes_for_the_transaction_contradicts_the_joined_one(store: Store) -> None:
    lease = await claimed(store)
    id_, orphan = await begin(store, lease), await lose(store, lease)
    await joining.join(store, KEYS, id_, orphan, JOIN, force=False)
    outcome = await stop(store, lease, a_stop(id_, meter_stop=300), ANSWER)
    assert isinstance(outcome, Orphaned)
    assert outcome.contradicts
    found = await find(store, id_)
    assert (found.meter_stop, found.contradicting_stops, found.revision) == (200, 1, 2)


async def test_a_join_changes_nothing_if_the_orphan_or_the_transaction_changed_meanwhile(
    store: Store,
) -> None:
    lease = await claimed(store)
    first = await begin(store, lease)
    second = await begin(store, lease, connector_id=2, timestamp="2026-01-01T00:00:05Z")
    orphan = await lose(store, lease)
    assert await joining.join(store, KEYS, first, orphan, JOIN, force=False) == "joined"
    assert await joining.join(store, KEYS, second, orphan, JOIN, force=False) == "changed"
    assert await joining.join(store, KEYS, first, orphan, JOIN, force=False) == "stopped"
    assert (await find(store, second)).state == "open"
    await forgetting.forget(store, "demo", "CP.1", first)
    assert await joining.join(store, KEYS, first, orphan, JOIN, force=False) == "unknown"
    await orphans.forget(store, "demo", "CP.1", orphan.orphan.digest())
    assert await joining.join(store, KEYS, second, orphan, JOIN, force=False) == "changed"
    assert await orphans.get(store, KEYS, orphan.orphan.digest()) is None


async def test_a_join_leaves_a_newer_transaction_on_the_connector_alone(store: Store) -> None:
    lease = await claimed(store)
    first, orphan = await begin(store, lease), await lose(store, lease)
    second = await begin(store, lease, timestamp="2026-01-01T05:00:00Z")
    assert await joining.join(store, KEYS, first, orphan, JOIN, force=False) == "joined"
    present = await find_start(store, lease, a_start(timestamp="2026-01-02T00:00:00Z"))
    assert isinstance(present, Present)
    assert present.running is not None
    assert present.running.id == second


async def test_a_stop_is_joined_on_a_full_store(store: Store) -> None:
    lease = await claimed(store)
    id_, orphan = await begin(store, lease), await lose(store, lease)
    async with full(store):
        assert await joining.join(store, KEYS, id_, orphan, JOIN, force=False) == "joined"
    assert (await find(store, id_)).state == "stopped"


@pytest.mark.parametrize("head", [b"5", b"5!", b"5>77"])
def test_the_text_in_front_of_an_orphan_says_whether_it_contradicts_or_was_joined(head: bytes) -> None:
    """Older releases look only for a `!` at its end, so they read a joined orphan too."""
    orphan = orphans.unpack(
        head
        + b" "
        + Orphan(
            transaction_id="-1",
            timestamp="",
            stopped_ms=1,
            meter_stop=None,
            id_tag=None,
            reason=None,
            received_ms=5,
            answer=b"",
        ).pack()
    )
    assert (orphan.contradicts, orphan.joined_to) == (head == b"5!", 77 if head == b"5>77" else None)
