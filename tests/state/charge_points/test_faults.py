"""Each fault of a charge point is counted once.

The counts are limited in number, and they are deleted with the charge point.
"""

from state import charge_points
from state.charge_points import Settings, faults
from state.charge_points.faults import FaultBatch, Tally, count, forget, read
from state.keys import ChargePointKeys
from state.store import Store
from state.tenants import spellings

KEYS = ChargePointKeys("demo", "CP|1")


async def register(store: Store) -> None:
    await charge_points.put(store, "demo", "CP|1", Settings())


async def test_fault_counts_are_added_up_and_the_latest_fault_is_listed_first(store: Store) -> None:
    await register(store)
    await count(store, [FaultBatch(KEYS, "a", {"not_json": Tally(2, 50), "no_boot": Tally(1, 60)})])
    await count(store, [FaultBatch(KEYS, "b", {"not_json": Tally(3, 70), "no_boot": Tally(1, 10)})])
    assert await read(store, "demo", "CP|1") == {"not_json": Tally(5, 70), "no_boot": Tally(2, 60)}
    assert list(await read(store, "demo", "CP|1")) == ["not_json", "no_boot"]


async def test_a_batch_of_faults_that_is_stored_twice_is_counted_once(store: Store) -> None:
    await register(store)
    batch = FaultBatch(KEYS, "a", {"not_json": Tally(2, 50)})
    for _ in range(3):
        await count(store, [batch])
    assert await read(store, "demo", "CP|1") == {"not_json": Tally(2, 50)}


async def test_faults_are_counted_only_for_registered_charge_points(store: Store) -> None:
    names = [f"CP-{number}" for number in range(1200)]
    for name in names[::400]:
        await charge_points.put(store, "demo", name, Settings())
    tallies = {"not_json": Tally(1, 1)}
    await count(store, [FaultBatch(ChargePointKeys("demo", name), "a", tallies) for name in names])
    known = [name for name in names if await read(store, "demo", name)]
    assert known == names[::400]  # Nothing is stored for charge points that are not registered.


async def test_the_number_of_fault_names_of_a_charge_point_is_bounded(store: Store) -> None:
    await register(store)
    for turn in range(2):
        tallies = {f"fault_{number}": Tally(1, number) for number in range(faults.NAMES + 10)}
        await count(store, [FaultBatch(KEYS, str(turn), tallies)])
    found = await read(store, "demo", "CP|1")
    assert len(found) == faults.NAMES
    assert set(found.values()) == {Tally(2, number) for number in range(faults.NAMES)}


async def test_faults_can_be_deleted_alone_or_together_with_the_charge_point(store: Store) -> None:
    await register(store)
    await count(store, [FaultBatch(KEYS, "a", {"not_json": Tally(2, 50)})])
    await forget(store, "demo", "CP|1")
    assert await read(store, "demo", "CP|1") == {}
    await count(store, [FaultBatch(KEYS, "b", {"not_json": Tally(1, 60)})])
    await charge_points.delete(store, "demo", "CP|1")
    assert await read(store, "demo", "CP|1") == {}
    await count(store, [FaultBatch(KEYS, "c", {"not_json": Tally(1, 70)})])
    assert await store.execute("EXISTS", KEYS.faults) == 0


async def test_a_charge_point_is_found_by_an_id_in_another_letter_case_if_no_other_charge_point_matches(
    store: Store,
) -> None:
    for name in ("Depot-1", "depot-2", "DEPOT-2"):
        await charge_points.put(store, "demo", name, Settings())
    assert await spellings.find_only(store, "demo", "DEPOT-1") == "Depot-1"
    assert await spellings.find_only(store, "demo", "Depot-2") is None
    assert await spellings.find_only(store, "other", "depot-1") is None
    await charge_points.delete(store, "demo", "depot-2")
    assert await spellings.find_only(store, "demo", "Depot-2") == "DEPOT-2"
    await charge_points.delete(store, "demo", "DEPOT-2")
    assert await spellings.find_only(store, "demo", "Depot-2") is None
