"""Tests of the scenarios in loadtest/scenario/shipped."""

from collections import Counter

import pytest

from loadtest.scenario.model import Scenario
from loadtest.scenario.reading import read_scenario, scale, shipped_names
from loadtest.scenario.schedule import Schedule
from loadtest.scenario.timeline import Timeline


def intended(scenario: Scenario) -> Counter[tuple[str, str]]:
    line = Timeline(scenario)
    return Counter(
        (line.stage_at(one.at), one.what)
        for index in range(scenario.fleet.charge_points)
        for one in Schedule(scenario, line, index)
    )


def test_the_shipped_scenarios_are_those_of_the_guide() -> None:
    assert shipped_names() == [
        *(
            "certificate",
            "idle",
            "jitter",
            "one",
            "reconnect-storm",
            "remote-start",
            "rolling-restart",
            "smoke",
            "soak",
        ),
        "steady",
    ]


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_scenario_ends_with_nobody_connected_so_that_transactions_are_stopped_evenly(
    name: str,
) -> None:
    scenario = scale(read_scenario(name), 0.01)
    line = Timeline(scenario)
    assert line.shares[-1] == 0.0
    assert max(line.shares) == 1.0


def test_jitter_cuts_each_charge_point_every_15_s_while_all_of_them_charge() -> None:
    found = intended(scale(read_scenario("jitter"), 0.05))
    assert found["cuts", "cut"] == pytest.approx(50 * 160 / 15, abs=50)
    assert found["cuts", "start"] > 50
    assert found["cuts", "values"] > 500


def test_certificate_sends_1000_calls_in_sequence_and_then_one_call_a_second_from_each_charge_point() -> None:
    scenario = scale(read_scenario("certificate"), 0.1)
    line = Timeline(scenario)
    actions = Counter[tuple[str, str, str]]()
    senders = set()
    for index in range(100):
        for one in Schedule(scenario, line, index):
            stage = line.stage_at(one.at)
            actions[stage, one.what, one.action] += 1
            if stage == "one":
                senders.add(index)
    assert len(senders) == 1
    assert {key[2]: number for key, number in actions.items() if key[:2] == ("one", "sequence")} == {
        "Heartbeat": 500,
        "Authorize": 250,
        "StatusNotification": 250,
    }
    assert {key[1] for key in actions if key[0] == "one"} == {"sequence"}
    for action, share in (("Heartbeat", 0.5), ("Authorize", 0.25), ("StatusNotification", 0.25)):
        assert actions["all", "arrival", action] == pytest.approx(100 * 60 * share, rel=0.03)


def test_steady_has_one_in_ten_charge_points_charging_with_values_each_minute() -> None:
    scenario = scale(read_scenario("steady"), 0.05)
    found = intended(scenario)
    assert found["hold", "heartbeat"] == pytest.approx(1000 * 600 / 300, rel=0.1)
    assert found["hold", "values"] == pytest.approx(100 * 600 / 60, rel=0.1)
