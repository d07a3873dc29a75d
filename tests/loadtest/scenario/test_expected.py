from collections import Counter

import pytest
from msgspec.structs import replace

from loadtest.scenario.expected import expect
from loadtest.scenario.model import (
    Arrival,
    Charging,
    Commands,
    Cut,
    Fleet,
    Group,
    Reconnect,
    Scenario,
    Stage,
    Storm,
)
from loadtest.scenario.schedule import Schedule
from loadtest.scenario.timeline import Timeline

ACTIONS = {"start": "StartTransaction", "values": "MeterValues", "stop": "StopTransaction"}
SCENARIO = Scenario(
    name="test",
    fleet=Fleet(charge_points=400),
    groups=(
        Group(
            name="charging",
            heartbeat_s=20.0,
            charging=Charging(charge_s=(30.0, 60.0), pause_s=(10.0, 60.0), values_s=10.0),
        ),
        Group(name="asking", heartbeat_s=0.0, arrivals=(Arrival(action="Authorize", per_second=30.0),)),
    ),
    stages=(
        Stage(name="connect", kind="ramp", seconds=40.0, connected=0.5),
        Stage(name="hold", kind="hold", seconds=60.0),
        Stage(name="spike", kind="spike", seconds=30.0, rate=3.0),
        Stage(name="more", kind="step", seconds=60.0, connected=1.0),
        Stage(name="leave", kind="ramp", seconds=50.0, connected=0.0),
    ),
)


def test_the_expected_calls_are_within_a_quarter_of_those_that_the_schedules_intend() -> None:
    line = Timeline(SCENARIO)
    found = [Counter[str]() for _ in SCENARIO.stages]
    for index in range(400):
        for one in Schedule(SCENARIO, line, index):
            action = "Heartbeat" if one.what == "heartbeat" else one.action or ACTIONS[one.what]
            calls = found[line.place_at(one.at)]
            calls[action] += 1
            # Charge points authorise each start, and report two statuses at its begin and its end.
            calls["Authorize"] += one.what == "start"
            calls["StatusNotification"] += 2 * (one.what in {"start", "stop"})
    connected = [200, 0, 0, 200, 0]
    for stage, calls, expected, new in zip(
        SCENARIO.stages, found, expect(SCENARIO, line), connected, strict=True
    ):
        calls["BootNotification"] += new
        calls["StatusNotification"] += 2 * new
        for action, number in calls.items():
            if number > 50:
                assert expected.calls[action] * stage.seconds == pytest.approx(number, rel=0.25), action


def peak(scenario: Scenario, stage: str) -> float:
    line = Timeline(scenario)
    stages = dict(zip((one.name for one in scenario.stages), expect(scenario, line), strict=True))
    return stages[stage].handshakes_per_second


def test_handshakes_come_evenly_in_a_ramp_and_at_once_in_a_step() -> None:
    assert peak(SCENARIO, "connect") == pytest.approx(200 / 40)
    assert peak(SCENARIO, "more") == pytest.approx(200)
    assert peak(SCENARIO, "leave") == 0.0


@pytest.mark.parametrize(
    ("reconnect", "within_s", "per_second"),
    [
        (Reconnect(model="jitter", first_s=0.0, longest_s=20.0), 0.0, 10.0),
        (Reconnect(model="jitter", first_s=0.0, longest_s=20.0), 20.0, 5.0),
        (Reconnect(model="exponential", first_s=4.0), 0.0, 50.0),
        (Reconnect(model="fixed", first_s=10.0), 0.0, 200.0),
        (Reconnect(model="at_once"), 10.0, 20.0),
        (Reconnect(model="never"), 0.0, 0.0),
    ],
)
def test_the_charge_points_of_a_storm_return_as_their_group_does(
    reconnect: Reconnect, within_s: float, per_second: float
) -> None:
    scenario = replace(
        SCENARIO,
        groups=tuple(replace(group, reconnect=reconnect) for group in SCENARIO.groups),
        storms=(Storm(stage="hold", within_s=within_s),),
    )
    assert peak(scenario, "hold") == pytest.approx(per_second)


def test_cuts_bring_handshakes_all_the_time() -> None:
    groups = tuple(replace(group, cut=Cut(every_s=20.0)) for group in SCENARIO.groups)
    scenario = replace(SCENARIO, groups=groups)
    assert peak(scenario, "hold") == pytest.approx(200 / 20)
    (_, hold, *_) = expect(scenario, Timeline(scenario))
    assert hold.calls["BootNotification"] == pytest.approx(200 / 20)


def test_remote_starts_bring_the_calls_of_their_transactions() -> None:
    group = Group(
        name="drivers",
        heartbeat_s=0.0,
        charging=Charging(starts="remote", charge_s=(20.0, 40.0), values_s=10.0),
    )
    command = Commands(action="RemoteStartTransaction", per_second=2.0, stages=("hold",))
    scenario = replace(SCENARIO, groups=(group,), commands=(command,))
    _, hold, spike, *_ = expect(scenario, Timeline(scenario))
    assert hold.commands_per_second == 2.0
    assert hold.calls["MeterValues"] == pytest.approx(2.0 * 3)
    assert hold.calls["StopTransaction"] == pytest.approx(2.0)
    assert (spike.commands_per_second, spike.calls) == (0.0, {})
