"""A short rolling update of the gateways. `python -m tests.k8s.rolling_update` plays a whole one."""

from pathlib import Path

import msgspec
import pytest

from tests.k8s.rolling_update import manifest as manifests
from tests.k8s.rolling_update.play import Options, play


@pytest.mark.slow
def test_a_rolling_update_loses_no_fact_and_moves_each_charge_point_once(tmp_path: Path) -> None:
    """The preStop sleep and the drain window are shorter than in the manifests."""
    whole = manifests.read()
    quick = {"CSMS__DRAIN__WINDOW_S": "5"}
    short = msgspec.structs.replace(whole, pre_stop_s=8, environment=whole.environment | quick)
    outcome = play(short, Options(charge_points=40, propagation_s=1, latency_s=0.3, around_s=3), tmp_path)
    assert outcome.problems == []
    assert [pod.exit_code for pod in outcome.pods] == [0] * 2 * whole.replicas
    # Messages were on their way when csms closed the connections.
    assert sum(charge_point.resent for charge_point in outcome.fleet) > 0
    assert sum(len(charge_point.facts) for charge_point in outcome.fleet) > 40 * 10
