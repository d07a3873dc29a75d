"""Tests of loadtest/scenario/schedule.py, and of the streams that it joins."""

import tracemalloc
from collections import Counter
from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from loadtest.scenario.model import Arrival, Charging, Cut, Fleet, Group, Scenario, Stage
from loadtest.scenario.population import rank_of
from loadtest.scenario.schedule import Intended, Schedule, combine, digest
from loadtest.scenario.timeline import Timeline

CONNECT = Stage(name="connect", kind="step", seconds=1.0, connected=1.0)
HOLD = Stage(name="hold", kind="hold", seconds=200.0)
BUSY = Group(
    name="busy",
    heartbeat_s=30.0,
    charging=Charging(charge_s=(20.0, 40.0), pause_s=(5.0, 10.0), values_s=7.0),
    arrivals=(
        Arrival(action="Authorize", per_second=6.0),
        Arrival(action="MeterValues", per_second=2.0, pattern="even"),
    ),
    cut=Cut(every_s=15.0),
)


def scenario(*stages: Stage, charge_points: int = 40, seed: int = 1, group: Group = BUSY) -> Scenario:
    fleet = Fleet(charge_points=charge_points)
    return Scenario(name="test", seed=seed, fleet=fleet, groups=(group,), stages=stages or (CONNECT, HOLD))


def of_all(plan: Scenario) -> list[Intended]:
    line = Timeline(plan)
    return [one for index in range(plan.fleet.charge_points) for one in Schedule(plan, line, index)]


stages = st.lists(
    st.builds(
        lambda kind, seconds, connected, rate, number: Stage(
            name=f"s{number}",
            kind=kind,
            seconds=seconds,
            connected=connected if kind in {"ramp", "step"} else None,
            rate=rate if kind == "spike" else 1.0,
        ),
        st.sampled_from(["ramp", "step", "hold", "spike"]),
        st.floats(1.0, 60.0),
        st.floats(0.0, 1.0),
        st.sampled_from([0.0, 0.5, 3.0]),
        st.integers(0, 10**6),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=40, deadline=None)
@given(stages, st.integers(0, 2**63 - 1), st.integers(1, 30))
def test_everything_is_intended_in_the_order_of_time_and_only_while_the_charge_point_is_present(
    parts: list[Stage], seed: int, charge_points: int
) -> None:
    plan = scenario(*parts, charge_points=charge_points, seed=seed)
    line = Timeline(plan)
    for index in range(charge_points):
        windows = list(line.windows(rank_of(plan, index)))
        times = [one.at for one in Schedule(plan, line, index)]
        assert times == sorted(times)
        assert all(any(begin <= at < end for begin, end in windows) for at in times)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**63 - 1), st.lists(st.integers(0, 20), max_size=4))
def test_the_digest_of_equal_seeds_is_equal_however_the_fleet_is_divided(seed: int, cuts: list[int]) -> None:
    plan = scenario(charge_points=20, seed=seed)
    edges = sorted({0, 20, *cuts})
    parts = [digest(plan, first, end) for first, end in pairwise(edges)]
    assert combine(reversed(parts)) == digest(plan, 0, 20)
    assert digest(replace(plan, seed=seed ^ 1), 0, 20)[0] != digest(plan, 0, 20)[0]


def test_the_digest_covers_the_first_sends_of_each_charge_point_so_that_it_costs_little() -> None:
    plan = scenario(CONNECT, replace(HOLD, seconds=600.0), charge_points=25_000)
    assert digest(plan, 0, 10)[1] == 10 * (500_000 // 25_000)
    assert digest(replace(plan, fleet=Fleet(charge_points=10)), 0, 10)[1] > 1000


def test_another_stream_changes_nothing_of_the_others() -> None:
    plan = scenario()
    without = replace(plan, groups=(replace(BUSY, arrivals=()),))
    assert [one for one in of_all(plan) if one.what != "arrival"] == of_all(without)


@pytest.mark.parametrize("pattern", ["poisson", "even"])
def test_arrivals_come_at_the_rate_that_the_group_shares(pattern: Literal["poisson", "even"]) -> None:
    arrivals = (
        Arrival(action="Heartbeat", per_second=20.0, pattern=pattern),
        Arrival(action="Authorize", per_second=10.0, pattern=pattern),
    )
    found = Counter(one.action for one in of_all(scenario(group=Group(name="all", arrivals=arrivals))))
    assert found["Heartbeat"] == pytest.approx(20.0 * 201, rel=0.06)
    assert found["Authorize"] == pytest.approx(10.0 * 201, rel=0.08)


def test_a_spike_multiplies_the_rates_of_arrivals_and_nothing_else() -> None:
    spike = Stage(name="spike", kind="spike", seconds=200.0, rate=5.0)
    none = Stage(name="none", kind="spike", seconds=200.0, rate=0.0)
    plan = scenario(CONNECT, HOLD, spike, none)
    line = Timeline(plan)
    found = Counter((line.stage_at(one.at), one.what) for one in of_all(plan))
    assert found["hold", "arrival"] == pytest.approx(8.0 * 200, rel=0.1)
    assert found["spike", "arrival"] == pytest.approx(5 * 8.0 * 200, rel=0.05)
    assert found["none", "arrival"] == 0
    for what in ("heartbeat", "cut", "values"):
        assert found["spike", what] == pytest.approx(found["hold", what], rel=0.1)


def test_even_arrivals_of_one_charge_point_have_equal_distances_and_interleave_their_actions() -> None:
    arrivals = (
        Arrival(action="Heartbeat", per_second=20.0, pattern="even"),
        Arrival(action="Authorize", per_second=10.0, pattern="even"),
        Arrival(action="StatusNotification", per_second=10.0, pattern="even"),
    )
    plan = scenario(group=Group(name="all", heartbeat_s=0.0, arrivals=arrivals))
    phases = set()
    for index in range(40):
        sends = list(Schedule(plan, Timeline(plan), index))
        assert [b.at - a.at for a, b in pairwise(sends)] == pytest.approx([1.0] * (len(sends) - 1))
        for first in range(0, len(sends) - 4, 4):
            four = Counter(one.action for one in sends[first : first + 4])
            assert four == {"Heartbeat": 2, "Authorize": 1, "StatusNotification": 1}
        phases.add(int(sends[0].at % 1 * 10))
    assert len(phases) > 5


def test_heartbeats_and_cuts_have_a_random_phase_and_their_distance() -> None:
    plan = scenario(charge_points=200)
    for what, period in (("heartbeat", 30.0), ("cut", 15.0)):
        tenths = Counter[int]()
        for index in range(200):
            times = [one.at for one in Schedule(plan, Timeline(plan), index) if one.what == what]
            assert [b - a for a, b in pairwise(times)] == pytest.approx([period] * (len(times) - 1))
            tenths[int(times[0] % period / period * 10)] += 1
        assert len(tenths) == 10


@pytest.mark.parametrize("interval", [None, 0.0])
def test_a_group_has_no_heartbeats_in_its_schedule_if_none_are_asked_or_the_central_system_decides(
    interval: float | None,
) -> None:
    assert of_all(scenario(group=Group(name="all", heartbeat_s=interval))) == []


def test_transactions_follow_each_other_with_values_between_start_and_stop() -> None:
    plan = scenario()
    for index in range(40):
        sends = [
            one for one in Schedule(plan, Timeline(plan), index) if one.what in {"start", "values", "stop"}
        ]
        assert sends[0].what == "start"
        assert sends[-1].what == "stop"
        assert sends[-1].at <= 200.0
        begun = 0.0
        for before, after in pairwise(sends):
            match before.what, after.what:
                case "start", _:
                    begun = before.at
                    expected = 7.0 if after.what == "values" else min(7.0, after.at - before.at)
                    assert after.at - before.at == pytest.approx(expected)
                case "values", "values":
                    assert after.at - before.at == pytest.approx(7.0)
                case "values", "stop":
                    assert 0 < after.at - before.at <= 7.0 + 1e-6
                    assert after.at - begun <= 40.0
                case pair:
                    assert pair == ("stop", "start")
                    assert 5.0 <= after.at - before.at <= 10.0


def test_a_transaction_stops_1_to_6_seconds_before_its_charge_point_leaves() -> None:
    endless = Charging(charge_s=(1000.0, 1000.0), pause_s=(1.0, 2.0), values_s=60.0)
    leave = Stage(name="leave", kind="ramp", seconds=100.0, connected=0.0)
    plan = scenario(CONNECT, HOLD, leave, group=Group(name="all", charging=endless))
    line = Timeline(plan)
    for index in range(40):
        ((_, end),) = line.windows(rank_of(plan, index))
        *_, last = Schedule(plan, line, index)
        assert last.what == "stop"
        assert 1.0 <= end - last.at <= 6.0


def test_remote_starts_are_not_in_the_schedule() -> None:
    assert (
        of_all(scenario(group=Group(name="all", heartbeat_s=0.0, charging=Charging(starts="remote")))) == []
    )


def test_calls_in_sequence_take_the_place_of_the_arrivals_of_their_stage() -> None:
    stage = Stage(name="one", kind="hold", seconds=60.0, in_sequence=100)
    plan = scenario(CONNECT, stage, HOLD, charge_points=2, group=replace(BUSY, cut=None, heartbeat_s=0.0))
    line = Timeline(plan)
    for index in range(2):
        sends = [one for one in Schedule(plan, line, index) if one.what in {"arrival", "sequence"}]
        called = [one for one in sends if line.stage_at(one.at) == "one"]
        assert {(one.what, one.at) for one in called} == {("sequence", 1.0)}
        assert Counter(one.action for one in called) == {"Authorize": 75, "MeterValues": 25}
        assert len(called) < len(sends)


def test_a_schedule_takes_less_than_1_kib() -> None:
    plan = scenario(charge_points=500)
    line = Timeline(plan)
    tracemalloc.start()
    try:
        kept = [Schedule(plan, line, index) for index in range(500)]
        for one in kept:
            assert next(one).at < next(one).at
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / 500 < 1024


def test_a_charge_point_that_connects_after_a_sequence_sends_none_of_its_calls() -> None:
    one = Stage(name="one", kind="step", seconds=10.0, connected=0.5, in_sequence=100)
    all_of_them = Stage(name="all", kind="step", seconds=10.0, connected=1.0)
    plan = scenario(one, all_of_them, charge_points=2)
    line = Timeline(plan)
    kinds = [{sent.what for sent in Schedule(plan, line, index)} for index in range(2)]
    assert sorted("sequence" in kind for kind in kinds) == [False, True]
