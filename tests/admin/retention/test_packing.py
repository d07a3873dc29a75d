import pytest
from structlog.testing import capture_logs

from admin.config import PackingConfig
from admin.retention.packing import Packing
from state import keys
from state.nodes.leases import Lease
from state.store import Store
from state.tenants import tenants
from state.transactions import search, stop, unqueued
from tests.support.full_store import full
from tests.support.transactions import ANSWER, a_start, a_stop, begin, charging, claimed, fill, read_values

AT_ONCE = PackingConfig(after_s=0)


async def charge(store: Store, name: str, tenant: str = "demo") -> tuple[Lease, int]:
    lease = await claimed(store, name, tenant=tenant)
    id_ = await begin(store, lease)
    await fill(store, lease, id_, charging(10))
    await stop(store, lease, a_stop(id_), ANSWER)
    return lease, id_


async def count_unpacked(store: Store, *charged: tuple[Lease, int]) -> int:
    """Return how many of the transactions are not packed."""
    return sum([await store.execute("EXISTS", lease.keys.values(id_)) for lease, id_ in charged])


async def test_transactions_of_all_partitions_are_packed_after_the_configured_time(store: Store) -> None:
    charged = [await charge(store, f"CP-{number}") for number in range(12)]
    waiting = Packing(store, "a", PackingConfig(after_s=300))
    await waiting.turn()
    assert await count_unpacked(store, *charged) == 12
    assert waiting.backlog_s == 0
    [lease, id_] = charged[0]
    five_minutes_ago = store.server_time_ms() - 310_000
    await store.execute("ZADD", keys.unpacked(lease.keys.partition), five_minutes_ago, lease.keys.queued(id_))
    await waiting.turn()
    assert await count_unpacked(store, *charged) == 11
    assert (waiting.transactions, waiting.blocks) == (1, 1)
    await store.execute("DEL", keys.duty("packing"))
    packing = Packing(store, "b", AT_ONCE)
    await packing.turn()
    assert await count_unpacked(store, *charged) == 0
    assert (packing.transactions, packing.blocks, packing.backlog_s) == (11, 11, 0)
    for lease, id_ in charged:
        assert len(await read_values(store, id_, charge_point=lease.keys.id)) == 10


async def test_one_process_packs_and_the_others_report_the_same_backlog(store: Store) -> None:
    first, second = Packing(store, "a", AT_ONCE), Packing(store, "b", AT_ONCE)
    await first.turn()
    lease, id_ = await charge(store, "CP.1")
    await store.execute("ZINCRBY", keys.unpacked(lease.keys.partition), -60_000, lease.keys.queued(id_))
    await second.turn()
    assert 59 < second.backlog_s < 120
    assert second.transactions == 0
    await first.turn()
    assert (first.transactions, first.backlog_s) == (1, 0)


async def test_nothing_is_packed_or_searched_while_older_programs_may_read_the_store(store: Store) -> None:
    charged = await charge(store, "CP.1")
    packing = Packing(store, "a", AT_ONCE)
    store.packs = False
    await packing.turn()
    assert await count_unpacked(store, charged) == 1
    assert await store.execute("EXISTS", keys.UNQUEUED, keys.duty("packing")) == 0
    store.packs = True


async def test_transactions_that_older_gateways_finished_are_found_after_the_upgrade(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_TENANTS", 1)  # So the tenants are on several pages.
    monkeypatch.setattr(search, "_AT_ONCE", 2)
    charged = []
    for tenant in ("one", "two", "three"):
        await tenants.put(store, tenant, name="", auto_register=True)
        charged += [await charge(store, f"CP-{number}", tenant) for number in range(5)]
    # Several transactions of one charge point are on several pages of the index.
    lease = await claimed(store, "CP-9", tenant="two")
    for number in range(5):
        id_ = await begin(store, lease, a_start(timestamp=f"2026-01-0{number + 1}T00:00:00Z"))
        await fill(store, lease, id_, charging(3))
        await stop(store, lease, a_stop(id_), ANSWER)
        charged.append((lease, id_))
    running = await claimed(store, "CP-8", tenant="one")
    open_ = await begin(store, running)
    await fill(store, running, open_, charging(1))
    for partition in range(keys.PARTITIONS):
        await store.execute("DEL", keys.unpacked(partition))
    # A process ends in the middle of the search, and another one continues.
    for _ in range(20):
        assert not await unqueued.queue_some(store)
    packing = Packing(store, "a", AT_ONCE)
    async with full(store):
        with capture_logs() as logs:
            await packing.turn()
    assert [log["event"] for log in logs if log["event"].startswith("packing.")] == ["packing.search_over"]
    assert await count_unpacked(store, *charged) == 0
    assert await count_unpacked(store, (running, open_)) == 1
    assert await unqueued.queue_some(store)


async def test_the_search_leaves_packed_transactions_alone(store: Store) -> None:
    await tenants.put(store, "demo", name="", auto_register=True)
    lease, id_ = await charge(store, "CP.1")
    await Packing(store, "a", AT_ONCE).turn()
    await store.execute("DEL", keys.UNQUEUED)
    while not await unqueued.queue_some(store):
        pass
    assert await store.execute("ZCARD", keys.unpacked(lease.keys.partition)) == 0
    assert len(await read_values(store, id_)) == 10
