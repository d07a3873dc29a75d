import pytest
from hdrh.histogram import HdrHistogram

from loadtest.measuring.histograms import HIGHEST_US, LOWEST_US
from loadtest.results import Latency, Results, Slices
from loadtest.run.contrast import BadGroup, find_ratios, leave_out
from loadtest.scenario.model import Commands, Fleet, Group, Scenario, Stage
from loadtest.scenario.population import group_sizes

SCENARIO = Scenario(
    name="s",
    fleet=Fleet(charge_points=100),
    groups=(Group(name="healthy", weight=3), Group(name="silent", answers="never")),
    stages=(Stage(name="s", kind="hold", seconds=1),),
    commands=(
        Commands(action="A", per_second=1, groups=("silent",)),
        Commands(action="B", per_second=1, groups=("silent", "healthy")),
        Commands(action="C", per_second=1),
    ),
)


def results(*milliseconds: int) -> Results:
    histogram = HdrHistogram(LOWEST_US, HIGHEST_US, 3)
    for one in milliseconds:
        histogram.record_value(one * 1000)
    hdr = histogram.encode().decode()
    return Results(
        release="1",
        scenario=SCENARIO,
        charge_points=(0, 1),
        started_at="2026-01-01T00:00:00Z",
        slices=Slices(length=1),
        latencies=[Latency(what="call", name="Heartbeat", stage="s", clock="corrected", hdr=hdr)],
    )


def test_a_scenario_without_a_group_has_the_other_groups_as_large_as_before() -> None:
    left = leave_out(SCENARIO, "silent")
    assert group_sizes(left) == {"healthy": group_sizes(SCENARIO)["healthy"]} == {"healthy": 75}
    assert [(one.action, one.groups) for one in left.commands] == [("B", ("healthy",)), ("C", ())]


def test_a_group_that_cannot_be_left_out_is_explained() -> None:
    with pytest.raises(BadGroup, match="its groups are healthy, silent"):
        leave_out(SCENARIO, "quiet")
    with pytest.raises(BadGroup, match="another one"):
        leave_out(leave_out(SCENARIO, "silent"), "healthy")


def test_a_ratio_is_that_of_all_rounds_together() -> None:
    heartbeats, calls = sorted(
        find_ratios([results(10), results(10)], [results(20), results(40)]), key=lambda one: one.name
    )
    assert (heartbeats.name, calls.name) == ("Heartbeat", "all")
    assert heartbeats.counts == calls.counts == (2, 2)
    assert heartbeats.mean == pytest.approx(3, rel=0.01)
    assert heartbeats.p99 == pytest.approx(4, rel=0.01)
