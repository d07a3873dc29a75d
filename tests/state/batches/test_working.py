"""The lease of a batch: one process works on it, and another one goes on."""

from state.batches import batches, items, working
from state.batches.batches import LEASE_MS, Counts
from state.batches.items import Item
from state.store import Store
from tests.state.batches.beginning import CANCELLED, ENDED, TENANT, begin, read
from tests.support.full_store import full


async def test_only_one_process_works_on_a_batch_until_its_lease_ends(store: Store) -> None:
    begun = await begin(store, "one")
    assert await working.claim(store, TENANT, "one", "first") is not None
    assert await working.claim(store, TENANT, "one", "second") is None
    # The same process may claim it again.
    assert await working.claim(store, TENANT, "one", "first") is not None
    await store.execute("HSET", begun.keys.record, "until_ms", store.server_time_ms() - 1_000)
    claimed = await working.claim(store, TENANT, "one", "second")
    assert claimed is not None
    assert claimed.batch == begun
    assert await working.advance(store, begun, "first", reserved=1, counts=Counts(), blocks={}) == "lost"
    assert await working.finish(store, begun, "first", "running", ENDED) == "lost"
    assert (await read(store, "one")).reserved == 0


async def test_a_lease_that_ends_too_late_because_the_clock_was_set_back_does_not_count(store: Store) -> None:
    begun = await begin(store, "one")
    assert await working.claim(store, TENANT, "one", "first") is not None
    await store.execute("HSET", begun.keys.record, "until_ms", store.server_time_ms() + 60 * LEASE_MS)
    assert await working.claim(store, TENANT, "one", "second") is not None


async def test_a_released_lease_can_be_taken_at_once(store: Store) -> None:
    begun = await begin(store, "one")
    assert await working.claim(store, TENANT, "one", "first") is not None
    await working.advance(store, begun, "first", reserved=0, counts=Counts(), blocks={}, lease_ms=0)
    assert await working.claim(store, TENANT, "one", "second") is not None


async def test_the_next_process_gets_the_stored_progress(store: Store) -> None:
    begun = await begin(store, "one")
    assert await working.claim(store, TENANT, "one", "first") is not None
    block = [Item("CP-000000", "rejected", "Rejected", 7), Item("CP-000001")]
    counts = Counts(rejected=1, rejected_statuses={"Rejected": 1})
    advanced = await working.advance(
        store, begun, "first", reserved=2, counts=counts, blocks={0: block}, lease_ms=0
    )
    assert advanced == "running"
    progress_ms = store.server_time_ms() - 100_000
    await store.execute("HSET", begun.keys.record, "progress_ms", progress_ms)
    claimed = await working.claim(store, TENANT, "one", "second")
    assert claimed is not None
    assert (claimed.batch.reserved, claimed.batch.counts) == (2, counts)
    assert abs(claimed.idle_ms - 100_000) < 60_000
    assert await items.read_block(store, begun.keys, 0) == block


async def test_a_batch_that_was_cancelled_ends_as_cancelled(store: Store) -> None:
    begun = await begin(store, "one")
    assert await working.claim(store, TENANT, "one", "runner") is not None
    assert await batches.cancel(store, TENANT, "one", "key") == "cancelling"
    assert await working.finish(store, begun, "runner", "running", ENDED) == "again"
    advanced = await working.advance(store, begun, "runner", reserved=0, counts=Counts(), blocks={})
    assert advanced == "cancelling"
    assert await working.finish(store, begun, "runner", "cancelling", CANCELLED) == "cancelled"
    assert await working.finish(store, begun, "runner", "cancelling", CANCELLED) == "lost"
    assert await working.claim(store, TENANT, "one", "runner") is None


async def test_nobody_can_claim_a_batch_that_does_not_exist(store: Store) -> None:
    assert await working.claim(store, TENANT, "none", "runner") is None


async def test_a_batch_can_be_cancelled_on_a_full_store(store: Store) -> None:
    await begin(store, "one")
    async with full(store):
        assert await batches.cancel(store, TENANT, "one", "key") == "cancelling"
    assert (await read(store, "one")).phase == "cancelling"
