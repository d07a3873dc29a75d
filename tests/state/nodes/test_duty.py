from state import keys
from state.nodes.duty import hold_duty
from state.store import Store
from tests.support.full_store import full


async def test_one_process_has_a_duty_until_it_stops_prolonging_it(store: Store) -> None:
    assert await hold_duty(store, "packing", "a", 60_000)
    assert not await hold_duty(store, "packing", "b", 60_000)
    assert await hold_duty(store, "archiving", "b", 60_000)
    assert await hold_duty(store, "packing", "a", 90_000)
    assert 60_000 < await store.execute("PTTL", keys.duty("packing")) <= 90_000
    await store.execute("PEXPIRE", keys.duty("packing"), 0)
    assert await hold_duty(store, "packing", "b", 60_000)
    assert not await hold_duty(store, "packing", "a", 60_000)


async def test_a_duty_is_taken_and_prolonged_on_a_full_store(store: Store) -> None:
    async with full(store):
        assert await hold_duty(store, "packing", "a", 60_000)
        assert await hold_duty(store, "packing", "a", 60_000)
        assert not await hold_duty(store, "packing", "b", 60_000)
