"""How many connections and calls a second the stages of a scenario will have, before it runs."""

from collections import defaultdict
from typing import Final

from msgspec import Struct

from loadtest.scenario.dice import Dice
from loadtest.scenario.model import Charging, Commands, Group, Reconnect, Scenario, Stage
from loadtest.scenario.population import group_sizes
from loadtest.scenario.streams import Transactions
from loadtest.scenario.timeline import Timeline

# What a charge point sends at the start, the values and the stop of a transaction.
_OF: Final[dict[str, dict[str, float]]] = {
    "start": {"Authorize": 1, "StatusNotification": 2, "StartTransaction": 1},
    "values": {"MeterValues": 1},
    "stop": {"StopTransaction": 1, "StatusNotification": 2},
}
type Calls = defaultdict[str, float]
_HEARTBEAT_S = 300.0
"""A guess of the interval that the central system gives."""
_SAMPLES_LEAST, _SAMPLES_MAX = 3, 400
_SAMPLED_SENDS = 200_000
"""A few charge points show what the transactions of a group come to. This bounds what they cost."""


class Expected(Struct, frozen=True, kw_only=True):
    """What one stage will have. `handshakes_per_second` is the greatest rate, the others are averages."""

    handshakes_per_second: float
    calls: dict[str, float]
    """Calls a second by action."""
    commands_per_second: float


def expect(scenario: Scenario, timeline: Timeline) -> list[Expected]:
    """Return what each stage of the whole fleet will have, if the central system answers.

    What shell actions do to connections is not in the numbers.
    """
    sizes = group_sizes(scenario)
    calls: list[Calls] = [defaultdict(float) for _ in scenario.stages]
    for group in scenario.groups:
        if sizes[group.name]:
            _add_group(calls, scenario, timeline, group, sizes[group.name])
    expected = []
    for place, stage in enumerate(scenario.stages):
        commands = [one for one in scenario.commands if _is_sent_in(one, stage)]
        for command in commands:
            _add_command(calls[place], scenario, command)
        cuts = sum(
            timeline.average_share(place) * sizes[group.name] / group.cut.every_s
            for group in scenario.groups
            if group.cut is not None
        )
        share = _new_share(timeline, place)
        connections = share * scenario.fleet.charge_points / stage.seconds
        storm = _return_of_storms(scenario, timeline, stage, sizes)
        calls[place]["BootNotification"] += connections + cuts + storm.connections / stage.seconds
        # All charge points of a step connect at once.
        peak = connections * (stage.seconds if stage.kind == "step" else 1.0)
        expected.append(
            Expected(
                handshakes_per_second=cuts + peak + storm.per_second,
                calls={action: number for action, number in sorted(calls[place].items()) if number},
                commands_per_second=sum(command.per_second for command in commands),
            )
        )
    return expected


class _Return(Struct, frozen=True):
    connections: float
    per_second: float


def _new_share(timeline: Timeline, place: int) -> float:
    """Return the share of the charge points that connects in a stage."""
    before, after = timeline.shares[place : place + 2]
    return max(0.0, after - before)


def _add_group(calls: list[Calls], scenario: Scenario, timeline: Timeline, group: Group, size: int) -> None:
    heartbeat_s = _HEARTBEAT_S if group.heartbeat_s is None else group.heartbeat_s
    rate_of_all = sum(arrival.per_second for arrival in group.arrivals)
    for place, stage in enumerate(scenario.stages):
        share = timeline.average_share(place)
        if heartbeat_s:
            calls[place]["Heartbeat"] += share * size / heartbeat_s
        for arrival in group.arrivals:
            in_sequence = size * stage.in_sequence / stage.seconds * arrival.per_second / rate_of_all
            calls[place][arrival.action] += share * (arrival.per_second * timeline.rates[place] + in_sequence)
        connections = _new_share(timeline, place) * size / stage.seconds
        calls[place]["StatusNotification"] += connections * (group.connectors + 1)
    if group.charging is not None and group.charging.starts == "local":
        for place, number in enumerate(_transactions(scenario, timeline, group.charging)):
            for action, of_one in number.items():
                calls[place][action] += of_one * size / scenario.stages[place].seconds


def _transactions(scenario: Scenario, timeline: Timeline, charging: Charging) -> list[Calls]:
    """Return the number of calls of an average charge point by stage, from those of a few."""
    affordable = int(_SAMPLED_SENDS * charging.values_s / timeline.seconds)
    samples = max(_SAMPLES_LEAST, min(_SAMPLES_MAX, affordable))
    counted: list[Calls] = [defaultdict(float) for _ in timeline.spans]
    for sample in range(samples):
        stream = Transactions(charging, Dice(scenario.seed, sample, "samples of a plan"))
        for begin, end in timeline.windows((sample + 0.5) / samples):
            stream.enter(begin, end)
            while stream.at < end:
                calls = counted[timeline.place_at(stream.at)]
                for action, number in _OF[stream.take()[0]].items():
                    calls[action] += number / samples
    return counted


def _is_sent_in(command: Commands, stage: Stage) -> bool:
    return stage.name in command.stages if command.stages else stage.kind != "ramp"


def _add_command(calls: Calls, scenario: Scenario, command: Commands) -> None:
    """Add the transactions that remote starts begin, as if each were accepted."""
    if command.action != "RemoteStartTransaction":
        return
    groups = [one for one in scenario.groups if not command.groups or one.name in command.groups]
    charging = next((one.charging for one in groups if one.charging is not None), None)
    if charging is not None:
        values = sum(charging.charge_s) / 2 / charging.values_s
        for what, number in (("start", 1.0), ("values", values), ("stop", 1.0)):
            for action, calls_of_one in _OF[what].items():
                calls[action] += command.per_second * number * calls_of_one


def _return_of_storms(scenario: Scenario, timeline: Timeline, stage: Stage, sizes: dict[str, int]) -> _Return:
    """Return how the charge points come back after the storms that begin in a stage."""
    connections = per_second = 0.0
    for storm in scenario.storms:
        if storm.stage != stage.name:
            continue
        share = storm.share * timeline.share_at(timeline.time_of(storm))
        for group in scenario.groups:
            if group.reconnect.model != "never":
                connections += share * sizes[group.name]
                spread_s = storm.within_s + _spread_s(group.reconnect)
                per_second += share * sizes[group.name] / max(1.0, spread_s)
    return _Return(connections, per_second)


def _spread_s(reconnect: Reconnect) -> float:
    """Return over how many seconds the first tries of charge points spread that were cut at once."""
    match reconnect.model:
        case "jitter":
            return reconnect.longest_s - reconnect.first_s
        case "exponential":
            return reconnect.first_s
        case _:
            return 0.0
