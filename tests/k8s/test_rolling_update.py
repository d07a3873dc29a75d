"""Short plays of an update and a scale-down. `python -m tests.k8s.rolling_update` plays a whole one."""

from pathlib import Path

import msgspec
import pytest

from tests.k8s.rendered import find_kubectl
from tests.k8s.rolling_update import manifest as manifests
from tests.k8s.rolling_update.fleet import Fleet
from tests.k8s.rolling_update.load_test import LoadTest
from tests.k8s.rolling_update.manifest import Manifest
from tests.k8s.rolling_update.play import Options, Outcome, play

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_kubectl() is None, reason="there is no kubectl; make k8s-check installs it"),
]

SIZE = 40
OPTIONS = Options(propagation_s=1, latency_s=0.3, between_s=3)
SCENARIO = """
name = "short"
[fleet]
charge_points = 40
[[groups]]
name = "drivers"
heartbeat_s = 20.0
charging = { charge_s = [4.0, 15.0], pause_s = [0.5, 4.0], values_s = 1.0 }
reconnect = { model = "jitter", first_s = 0.0, longest_s = 2.0 }
retries = { attempts = 100, interval_s = 1.0 }
[[stages]]
name = "connect"
kind = "ramp"
seconds = 5.0
connected = 1.0
[[stages]]
name = "before"
kind = "hold"
seconds = 2.0
[[stages]]
name = "restart"
kind = "hold"
seconds = 90.0
[[stages]]
name = "leave"
kind = "ramp"
seconds = 5.0
connected = 0.0
[[thresholds]]
measure = "reconnects"
stage = "restart"
least = 40.0
# This test runs on busy machines, and judges no times.
[generator]
cpu_share = 1
lag_p99_s = 60
lag_max_s = 60
late_share = 1
"""


@pytest.fixture
def short() -> Manifest:
    """The manifests of the overlay prod, with a shorter preStop sleep and drain window."""
    whole = manifests.read("prod")
    quick = {"CSMS__DRAIN__WINDOW_S": "5"}
    return msgspec.structs.replace(whole, pre_stop_s=8, environment=whole.environment | quick)


def test_an_update_of_three_gateways_and_a_scale_down_lose_no_fact_and_move_nobody_twice(
    short: Manifest, tmp_path: Path
) -> None:
    fleet = Fleet(SIZE, around_s=3)
    outcome = play(short, fleet, OPTIONS, tmp_path)
    require_good(outcome, short)
    # Messages were on their way when csms closed the connections.
    assert sum(charge_point.resent for charge_point in fleet.charge_points) > 0
    assert sum(len(charge_point.facts) for charge_point in fleet.charge_points) > SIZE * 10


def test_a_scenario_of_the_load_test_loses_no_fact_in_an_update_and_a_scale_down(
    short: Manifest, tmp_path: Path
) -> None:
    (scenario := tmp_path / "short.toml").write_text(SCENARIO)
    load = LoadTest(str(scenario), SIZE, least_s=90)
    outcome = play(short, load, OPTIONS, tmp_path)
    require_good(outcome, short)
    assert load.results is not None
    assert load.results.history is not None
    assert load.results.history.stops > 0
    assert load.describe()["load test"] == "short: PASSED"


def require_good(outcome: Outcome, manifest: Manifest) -> None:
    assert manifest.replicas == 3
    assert outcome.problems == []
    assert [pod.exit_code for pod in outcome.pods] == [0] * 2 * manifest.replicas
    assert outcome.update.counts == {1: SIZE}
    assert outcome.scale_down.counts.keys() == {0, 1}
