"""Which keys the lanes remember."""

from time import monotonic

import pytest

from state.keys import ChargePointKeys
from state.redis.lanes import REMEMBERED_S
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


async def test_keys_that_nobody_uses_any_more_are_forgotten_when_new_ones_come(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lanes, other = store._lanes, ChargePointKeys("t", "other")
    found = lanes.of(KEYS.lease)
    assert lanes.of(other.lease) is lanes.of(other.lease)
    later = monotonic() + REMEMBERED_S + 1
    monkeypatch.setattr("state.redis.lanes.monotonic", lambda: later)
    new = ChargePointKeys("t", "new")
    lanes.of(new.lease)
    assert set(lanes.by_key) == {new.lease}
    assert lanes.of(KEYS.lease) == found
