"""A tenant is purged of the transactions that its deleted charge points left."""

import pytest

from state import charge_points
from state.charge_points import Settings
from state.errors import StoreUnavailable
from state.keys import ChargePointKeys
from state.store import Store
from state.tenants import tenants
from state.transactions import forgetting, purging, start, stop
from tests.support.leases import claimed
from tests.support.transactions import ANSWER, a_start, a_stop

NAMES = ("CP.1", "CP/2", "CP 3")


async def charge(store: Store, name: str, *, tenant: str = "demo", stopped: bool = True) -> int:
    lease = (await claimed(store, "a/1", ChargePointKeys(tenant, name))).lease
    outcome = await start(store, lease, a_start(), ANSWER)
    if stopped:
        await stop(store, lease, a_stop(outcome.id), ANSWER)
    return outcome.id


async def keys_of_transactions(store: Store) -> set[bytes]:
    return {
        key
        for key in await store.execute("KEYS", "*")
        if any(word in key for word in (b"transaction", b"history", b"values", b"buried", b"charge-point"))
    }


async def test_a_purge_destroys_what_deleted_charge_points_left_and_nothing_of_other_tenants(
    store: Store,
) -> None:
    await charge(store, "CP.1", tenant="other")
    before = await keys_of_transactions(store)
    for name in NAMES:
        await charge(store, name)
        await charge_points.delete(store, "demo", name)
    await tenants.put(store, "demo", name="", auto_register=False)
    assert await tenants.delete(store, "demo") == "has_transactions"
    assert await purging.purge(store, "demo") is None
    assert await tenants.delete(store, "demo") == "deleted"
    assert await keys_of_transactions(store) == before


async def test_an_open_transaction_stops_a_purge_before_anything_is_destroyed(store: Store) -> None:
    await charge(store, "CP.1")
    await charge_points.delete(store, "demo", "CP.1")
    running = await charge(store, "CP/2", stopped=False)
    before = await keys_of_transactions(store)
    assert await purging.purge(store, "demo") == f"CP/2.{running}"
    assert await keys_of_transactions(store) == before


async def test_an_interrupted_purge_is_finished_by_the_next_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in NAMES:
        await charge(store, name)
        await charge_points.delete(store, "demo", name)
    forget, times = forgetting.forget_many, iter(range(10))

    async def interrupted(*args: object, **more: object) -> object:
        if next(times) == 1:
            raise StoreUnavailable("away")
        return await forget(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(purging, "forget_many", interrupted)
    with pytest.raises(StoreUnavailable):
        await purging.purge(store, "demo")
    assert await keys_of_transactions(store)
    assert await purging.purge(store, "demo") is None
    assert await keys_of_transactions(store) == set()


async def test_a_purge_also_ends_the_interrupted_purge_of_a_charge_point(store: Store) -> None:
    keys = ChargePointKeys("demo", "CP.1")
    await charge_points.put(store, "demo", "CP.1", Settings())
    await charge(store, "CP.1")
    await store.execute("RENAME", keys.history, keys.buried)
    await charge_points.delete(store, "demo", "CP.1")
    assert await keys_of_transactions(store) == set()
    await charge(store, "CP.1")
    await store.execute("COPY", keys.history, keys.buried)
    await store.execute("UNLINK", keys.record)
    assert await purging.purge(store, "demo") is None
    assert await store.execute("EXISTS", keys.buried, keys.history, keys.transactions) == 0
