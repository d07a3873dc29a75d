from pathlib import Path

import pytest

from loadtest.measuring.measures import wanted_share
from loadtest.scenario.model import Scenario
from loadtest.scenario.reading import read_scenario
from tests.bench.scale.scenario import HOLD, MEMORY, STORM, make_hold, make_storm


def read(text: str, directory: Path) -> Scenario:
    file = directory / "scenario.toml"
    file.write_text(text)
    return read_scenario(str(file))


def test_a_hold_is_the_fleet_of_steady_with_other_times(tmp_path: Path) -> None:
    found, steady = read(make_hold(5000, 100.0, 65.0, 600.0), tmp_path), read_scenario("steady")
    assert found.groups == steady.groups
    assert found.fleet.charge_points == 5000
    assert {stage.name: stage.seconds for stage in found.stages} == {
        "connect": 50.0,
        "settle": 65.0,
        HOLD: 600.0,
        MEMORY: 10.0,
        "leave": 25.0,
    }
    assert wanted_share(found, HOLD) == wanted_share(found, MEMORY) == 1.0
    assert all(one.abort_after_s is None for one in found.thresholds)
    assert [(one.measure, one.most) for one in found.thresholds][-1] == ("reconnects", 0.0)


def test_a_reset_is_the_storm_of_the_load_test(tmp_path: Path) -> None:
    found = read(make_storm(1200, 100.0, "reset", [7]), tmp_path)
    assert [(one.stage, one.share) for one in found.storms] == [(STORM, 1.0)]
    assert found.actions == ()
    assert next(one.seconds for one in found.stages if one.name == STORM) == 70.0


def test_a_kill_ends_all_gateways_and_leaves_out_the_measure_that_only_a_storm_has(tmp_path: Path) -> None:
    found = read(make_storm(1200, 100.0, "kill", [7, 8]), tmp_path)
    assert found.storms == ()
    assert [(one.stage, one.shell) for one in found.actions] == [(STORM, "kill -KILL 7 8")]
    assert "recovery_s" not in [one.measure for one in found.thresholds]


@pytest.mark.parametrize("charge_points", [1, 50])
def test_a_small_fleet_has_stages_of_a_second_or_longer(tmp_path: Path, charge_points: int) -> None:
    found = read(make_hold(charge_points, 1000.0, 0.0, 1.0), tmp_path)
    assert min(stage.seconds for stage in found.stages) == 1.0
