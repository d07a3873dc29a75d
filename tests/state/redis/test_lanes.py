"""Which keys the lanes remember."""

from state.keys import ChargePointKeys
from state.store import Store

KEYS = ChargePointKeys("t", "cp")


async def test_the_key_of_a_single_command_is_not_remembered_and_uses_the_lane_of_its_charge_point(
    store: Store,
) -> None:
    lanes = store._lanes
    before = set(lanes.by_key)
    await store.execute("HGET", KEYS.record, "name")
    assert set(lanes.by_key) == before
    assert lanes.choose(KEYS.record) is lanes.of(KEYS.lease)[0]
