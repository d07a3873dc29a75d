from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from admin.sizing.fleet import Fleet
from admin.sizing.sizes import (
    HANDSHAKES_PER_S,
    SESSIONS,
    STORE_CORE,
    Sizes,
    size,
    size_gateways,
    size_store,
)
from gateway.config import LimitsConfig

_MORE = {
    "charge_points": st.integers(1, 2_000_000),
    "transactions_a_day": st.floats(0.1, 100),
    "transaction_minutes": st.floats(1, 1_440),
    "peak": st.floats(1, 24),
    "tenants": st.integers(1, 1_000),
    "hot_hours": st.floats(1, 1_000),
}
_LESS = {
    "meter_values_every": st.floats(1, 3_600),
    "heartbeat": st.floats(1, 86_400),
    "reconnect_within": st.floats(1, 3_600),
    "fsync_ms": st.floats(0.05, 100),
}
"""The less of these, the more work."""
_INPUTS = {**_MORE, **_LESS}
FLEETS = st.builds(Fleet, **_INPUTS, zones=st.integers(2, 5))


def _measures(fleet: Fleet) -> dict[str, float]:
    """Return all that must not fall when the work of one installation grows."""
    gateways = size_gateways(fleet)
    store = size_store(fleet, gateways.count)
    return {
        "needed": gateways.needed,
        "count": gateways.count,
        "left": gateways.left,
        "core": store.core,
        "core in a storm": store.core_storm,
        "steps": store.steps_core,
        "writes": store.writes_per_s_storm,
        "fsyncs": store.fsyncs_per_s,
        "data": store.data_gib,
        "memory": store.memory_gib,
        "disk": store.disk_gib,
        "file": store.file_mib_per_s,
    }


@pytest.mark.parametrize("name", _INPUTS)
@given(fleet=FLEETS, data=st.data())
def test_more_work_never_needs_less_of_anything(name: str, fleet: Fleet, data: st.DataObject) -> None:
    less, more = sorted((getattr(fleet, name), data.draw(_INPUTS[name])), reverse=name in _LESS)
    change: dict[str, Any] = {name: less}
    small = _measures(replace(fleet, **change))
    large = _measures(replace(fleet, **{name: more}))
    assert [key for key, value in small.items() if value > large[key] * (1 + 1e-9)] == []


@given(FLEETS)
def test_the_gateways_that_are_left_can_carry_the_fleet(fleet: Fleet) -> None:
    found = size_gateways(fleet)
    assert found.count >= found.needed + 1
    assert found.count - ceil(found.count / fleet.zones) == found.left >= found.needed
    assert found.sessions <= found.sessions_without_a_zone <= SESSIONS


@given(FLEETS)
def test_no_fewer_gateways_would_do(fleet: Fleet) -> None:
    found = size_gateways(fleet)
    fewer = found.count - 1
    assert fewer < found.needed + 1 or fewer - ceil(fewer / fleet.zones) < found.needed


@given(FLEETS)
def test_the_store_has_more_memory_and_disk_than_data(fleet: Fleet) -> None:
    found = size_store(fleet, 2)
    assert 0 < found.data_gib < found.maxmemory_gib < found.memory_gib < found.disk_gib


@given(FLEETS)
def test_each_installation_has_a_store_that_one_core_can_serve(fleet: Fleet) -> None:
    found = size(fleet)
    assert found.store.steps_core <= STORE_CORE or found.fleet.charge_points == 1
    assert found.installations * found.fleet.charge_points >= fleet.charge_points


@given(FLEETS, st.integers(1, 2_000_000))
def test_a_larger_fleet_never_has_fewer_installations(fleet: Fleet, other: int) -> None:
    small, large = (
        size(replace(fleet, charge_points=number)) for number in sorted((fleet.charge_points, other))
    )
    assert small.installations <= large.installations


@given(FLEETS)
def test_the_sum_is_that_of_the_parts(fleet: Fleet) -> None:
    found: Sizes = size(fleet)
    assert found.gib == pytest.approx(
        found.gateways.count * found.gateways.gib + found.admins * found.admin_gib + found.store.memory_gib
    )
    assert found.gib_per_thousand == pytest.approx(found.gib * 1000 / found.fleet.charge_points)
    assert found.vcpu == found.gateways.count + found.admins + 2


def test_the_limits_are_those_of_a_gateway() -> None:
    limits = LimitsConfig()
    assert (limits.connections, limits.handshakes_per_second) == (SESSIONS, HANDSHAKES_PER_S)


def test_a_small_fleet_has_two_of_each_but_the_store() -> None:
    found = size(Fleet(charge_points=10))
    assert (found.installations, found.gateways.count, found.admins) == (1, 2, 2)


def test_what_decides_is_said() -> None:
    fleet = Fleet(charge_points=100_000)
    assert size_gateways(fleet).decided_by == "sessions"
    assert size_gateways(replace(fleet, reconnect_within=10)).decided_by == "storm"
    busy = replace(fleet, transaction_minutes=480, meter_values_every=1)
    assert size_gateways(busy).decided_by == "busiest hour"


def test_a_slow_disk_makes_larger_groups_and_not_more_fsyncs_than_it_can_do() -> None:
    fleet = Fleet(charge_points=100_000, fsync_ms=10)
    assert size_store(fleet, 8).fsyncs_per_s < 100
