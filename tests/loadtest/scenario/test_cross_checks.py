import json
import tomllib
from typing import get_args

import msgspec
import pytest

from loadtest.measuring.measures import LIVE, WITH_OF
from loadtest.results import Phase
from loadtest.scenario.cross_checks import PHASES, find_contradictions
from loadtest.scenario.model import Measure, Scenario

GOOD = """
    name = "test"
    [[groups]]
    name = "all"
    [[stages]]
    name = "connect"
    kind = "ramp"
    seconds = 10
    connected = 1
    [[stages]]
    name = "hold"
    kind = "hold"
    seconds = 60
"""
TWICE = """
    [[groups]]
    name = "all"
    [[stages]]
    name = "hold"
    kind = "hold"
    seconds = 1
"""
GROUPS = """
    [[groups]]
    name = "b"
    charging = { charge_s = [9, 3], pause_s = [5, 4] }
    reconnect = { first_s = 50 }
    cut = { every_s = 2 }
    [[groups]]
    name = "c"
    charging = { charge_s = [0, 0] }
"""
STAGES = """
    [[stages]]
    name = "a"
    kind = "step"
    seconds = 1
    rate = 2
    [[stages]]
    name = "b"
    kind = "soak"
    seconds = 1
    connected = 1
    [[stages]]
    name = "c"
    kind = "spike"
    seconds = 1
"""
TIMES = """
    [[storms]]
    stage = "holds"
    [[storms]]
    stage = "hold"
    after_s = 61
    [[actions]]
    stage = "xyz"
    name = "a"
    shell = " "
"""
COMMANDS = """
    [[commands]]
    action = "ClearCash"
    per_second = 1
    stages = ["holds"]
    groups = ["al"]
    [[commands]]
    action = "Reset"
    per_second = 1
    payload = { type = "Softly" }
    [[commands]]
    action = "Heartbeat"
    per_second = 1
"""
THRESHOLDS = """
    [[thresholds]]
    measure = "p99"
    [[thresholds]]
    measure = "p99"
    of = "Autorize"
    least = 2
    most = 1
    stage = "holds"
    [[thresholds]]
    measure = "late"
    of = "Authorize"
    most = 1
    [[thresholds]]
    measure = "p99"
    of = "Reset"
    most = 1
    [[thresholds]]
    measure = "recovery_s"
    most = 1
    abort_after_s = 5
    [[thresholds]]
    measure = "error_share"
    of = "boot"
    most = 0
"""
ACTION = '[[actions]]\nname = "a"\nstage = "hold"\nshell = '
TARGET = """
    [target]
    url = "http://host/{token}"
    admin_url = "ftp://host"
"""


def errors(text: str) -> list[str]:
    scenario = msgspec.convert(tomllib.loads(text), Scenario)
    return [f"{wrong.place}: {wrong.words}" for wrong in find_contradictions(scenario)]


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ("", ()),
        (
            TWICE,
            (
                "groups: 2 have the name all; give each a name of its own",
                "stages: 2 have the name hold; give each a name of its own",
            ),
        ),
        (
            GROUPS,
            (
                "groups[1].charging.charge_s: the least is 9 and the greatest 3; give the least first",
                "groups[1].charging.pause_s: the least is 5 and the greatest 4; give the least first",
                "groups[1].reconnect.first_s: 50 is more than longest_s; give at most 30",
                "groups[1].cut.away_s: 2 is as long as every_s; give less than 2",
                "groups[2].charging.charge_s: a transaction takes time; give at least 0.001",
            ),
        ),
        (
            STAGES,
            (
                "stages[2].connected: a step needs this key; give a share from 0 to 1",
                "stages[2].rate: a step does not change rates; leave it out, or give kind = spike",
                "stages[3].connected: a soak does not connect; leave it out, or give kind = step",
                "stages[4].rate: a spike of 1 changes nothing; give the factor of the arrivals",
            ),
        ),
        (
            TIMES,
            (
                'storms[0].stage: "holds" is not a known stage; did you mean hold?',
                "storms[1].after_s: stage hold has ended by then; give at most 60",
                'actions[0].stage: "xyz" is not a known stage; the known ones are connect, hold',
                "actions[0].shell: there is no command; give one for the shell",
            ),
        ),
        (
            COMMANDS,
            (
                'commands[0].action: "ClearCash" is not a known command; did you mean ClearCache?',
                'commands[0].stages[0]: "holds" is not a known stage; did you mean hold?',
                'commands[0].groups[0]: "al" is not a known group; did you mean all?',
                "commands[1].payload: type: ",
                'commands[2].action: "Heartbeat" is not a known command; the known ones are ',
            ),
        ),
        (
            THRESHOLDS,
            (
                "thresholds[0]: there is no bound; give least, or most, or both",
                "thresholds[1].least: 2 is more than most; give at most 1",
                'thresholds[1].stage: "holds" is not a known stage; did you mean hold?',
                'thresholds[1].of: "Autorize" is not a known action, phase or command here; did you mean',
                "thresholds[2].of: late is a measure of the whole fleet; leave it out",
                'thresholds[3].of: "Reset" is not a known action, phase or command here; the known ones are',
                "thresholds[4].abort_after_s: recovery_s is known only after the run; leave it out",
                "thresholds[5].of: error_share is not counted by phase; give an action, or leave it out",
            ),
        ),
        (
            TARGET,
            (
                "target.url: this is not a usable URL; give ws:// or wss:// and a host",
                "target.url: there is no {id}; put {id} where the charge point's id belongs",
                "target.token_file: the URL has {token}; give the file that holds the token",
                "target.admin_url: this is not a usable URL; give http:// or https:// and a host",
                "target.api_key_file: admin_url needs a key; give the file that holds the API key",
            ),
        ),
    ],
)
def test_keys_that_contradict_each_other_are_all_found(more: str, wanted: tuple[str, ...]) -> None:
    found = errors(GOOD + more)
    assert len(found) == len(wanted), found
    for line, words in zip(found, wanted, strict=True):
        assert line.startswith(words)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ws://a..b/{id}", "this is not a usable URL; give ws://"),
        (f"ws://{'a' * 64}.test/{{id}}", "this is not a usable URL; give ws://"),
        ("ws://{id}.test/{id}", "this is not a usable URL; give ws://"),
        ("ws://é/{id}", "a URL has only ASCII characters; write others as %20"),
        ("ws://h/\x1b[2J{id}", "a URL has only ASCII characters; write others as %20"),
        ("ws://h/a b/{id}", "a URL has only ASCII characters; write others as %20"),
        ("ws://h/{id}#x", "this URL cannot have 'x' at its end; leave out"),
        ("ws://h/{name}/{id}", "{name} stands for nothing; use {id} and {token}"),
    ],
)
def test_a_url_that_no_client_can_use_is_refused_before_the_run(url: str, words: str) -> None:
    (found,) = errors(f"{GOOD}\n[target]\nurl = {json.dumps(url)}")
    assert found.startswith(f"target.url: {words}")


def test_a_query_is_allowed_for_charge_points_and_refused_for_the_admin_api() -> None:
    target = '[target]\nurl = "ws://[::1]:1/{id}?a=b"\nadmin_url = "http://h"\napi_key_file = "key"\n'
    assert errors(GOOD + target) == []
    (found,) = errors(GOOD + target.replace('"http://h"', '"http://h?a=b"'))
    assert found.startswith("target.admin_url: this URL cannot have 'a=b' at its end")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('[fleet]\nid_tags = ["A", "B\\u0007"]', "fleet.id_tags[1]: a character cannot be printed"),
        (
            '[[groups]]\nname = "b"\nheartbeat_s = 1e-300',
            "groups[1].heartbeat_s: 1e-300 is too short",
        ),
        (
            '[[groups]]\nname = "b"\ncharging = { charge_s = [0, 1e-300], pause_s = [0, 0] }',
            "groups[1].charging.charge_s: a transaction takes time; give at least 0.001",
        ),
        (
            f"{ACTION}'true {'x' * 100_000}'",
            "actions[0].shell: the command has a zero character",
        ),
        (f'{ACTION}"a\\u0000b"', "actions[0].shell: the command has a zero character"),
    ],
)
def test_values_that_would_stop_a_run_in_its_middle_are_refused_before_it(more: str, words: str) -> None:
    (found,) = errors(f"{GOOD}\n{more}")
    assert found.startswith(words)


def test_more_groups_and_stages_than_anybody_needs_are_refused() -> None:
    groups = "".join(f'[[groups]]\nname = "g{number}"\n' for number in range(100))
    stages = "".join(f'[[stages]]\nname = "s{number}"\nkind = "hold"\nseconds = 1\n' for number in range(999))
    assert errors(GOOD + groups + stages) == [
        "groups: 101 are too many; give at most 100",
        "stages: 1,001 are too many; give at most 1,000",
    ]


def test_a_scenario_that_connects_nobody_or_has_a_sequence_without_actions_is_refused() -> None:
    nobody = GOOD.replace('"ramp"', '"hold"').replace("connected = 1", "in_sequence = 3")
    assert errors(nobody) == [
        "stages[0].in_sequence: no group has arrivals, so there are no actions; give [[groups.arrivals]]",
        "stages: no stage connects a charge point; begin with a ramp and connected = 1.0",
    ]


@pytest.mark.parametrize("name", ["StopTransaction", "back", "ClearCache"])
def test_a_threshold_may_be_of_an_action_a_phase_or_a_command_of_the_scenario(name: str) -> None:
    command = '[[commands]]\naction = "ClearCache"\nper_second = 2.0'
    assert errors(f'{GOOD}{command}\n[[thresholds]]\nmeasure = "p99"\nmost = 1\nof = "{name}"') == []


@pytest.mark.parametrize("measure", get_args(Measure.__value__))
def test_of_and_abort_after_s_are_refused_where_the_measure_has_none(measure: Measure) -> None:
    """A run would otherwise show only at its end that such a threshold judges nothing."""
    threshold = f'[[thresholds]]\nmeasure = "{measure}"\nmost = 1\n'
    assert errors(GOOD + threshold) == []
    for key, allowed in (('of = "Heartbeat"', WITH_OF), ("abort_after_s = 5", LIVE)):
        found = errors(GOOD + threshold + key)
        assert len(found) == (measure not in allowed), found
        assert all(key.partition(" ")[0] in line for line in found)


def test_the_phases_of_thresholds_are_those_of_results() -> None:
    assert get_args(Phase.__value__) == PHASES
