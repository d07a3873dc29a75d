from pathlib import Path

import pytest

from tests.bench.scale import measuring, scenario
from tests.bench.scale.measuring import Plan, measure_size, measure_storm
from tests.bench.scale.scenario import How


@pytest.fixture(autouse=True)
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "BUILD", tmp_path)
    for module, name, seconds in (
        (measuring, "_EMPTY_S", 0.1),
        (scenario, "_CALM_S", 3.0),
        (scenario, "_STORM_S", 45.0),
        (scenario, "_MEMORY_S", 3.0),
    ):
        monkeypatch.setattr(module, name, seconds)


@pytest.fixture
def plan() -> Plan:
    return Plan(None, 2, 20.0, settle_s=1.0, hold_s=4.0, say=print)


def test_gateways_follow_the_size_of_the_fleet(plan: Plan) -> None:
    assert [plan.find_workers(size) for size in (1, 26_000, 26_001, 50_000)] == [2, 2, 3, 4]
    assert plan._replace(workers=1).find_workers(50_000) == 1


@pytest.mark.slow
def test_a_small_fleet_has_numbers(plan: Plan) -> None:
    found = measure_size(plan, 40)
    assert (found.gateways, found.generators) == (2, 2)
    assert found.seen.connected == 40
    assert found.seen.errors == {}
    assert found.seen.calls > 0
    assert min(found.cpu) > 0
    assert min(found.memory.gateways, found.memory.store, found.memory.generators) > 0


@pytest.mark.slow
@pytest.mark.parametrize("how", ["reset", "kill"])
def test_after_a_storm_all_are_back(plan: Plan, how: How) -> None:
    found = measure_storm(plan, 20, how)
    assert found.cut == 20
    assert None not in found.back_s.values()
    assert found.seen.connected == 20
