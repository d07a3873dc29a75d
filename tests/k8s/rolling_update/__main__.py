"""Plays a rolling update and a scale-down with the manifests as they are, and prints a table.

The exit code is 0 if no fact was lost, the update moved each charge point at most 1.1 times on average, the
scale-down moved none twice, and each pod ended with 0. With a scenario, its thresholds must hold too, unless
the load test was too slow to judge times (INVALID).
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.k8s.rendered import find_kubectl
from tests.k8s.rolling_update import manifest as manifests
from tests.k8s.rolling_update.fleet import Fleet
from tests.k8s.rolling_update.load import Load
from tests.k8s.rolling_update.load_test import LoadTest
from tests.k8s.rolling_update.manifest import Manifest
from tests.k8s.rolling_update.play import Options, play
from tests.k8s.rolling_update.report import lines


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.k8s.rolling_update", description=__doc__)
    parser.add_argument("--overlay", choices=("base", "dev", "prod"), default="prod")
    parser.add_argument("--scenario", help="a scenario of the load test, such as rolling-restart")
    parser.add_argument("--charge-points", type=int, default=200)
    parser.add_argument("--propagation-s", type=float, default=5, help="delay of the load balancer")
    parser.add_argument("--latency-s", type=float, default=0.05, help="delay of the network, one way")
    parser.add_argument("--around-s", type=float, default=10, help="time before, between and after")
    asked = parser.parse_args()
    if find_kubectl() is None:
        parser.error("there is no kubectl to render the manifests with; make k8s-check installs it")
    options = Options(propagation_s=asked.propagation_s, latency_s=asked.latency_s, between_s=asked.around_s)
    manifest = manifests.read(asked.overlay)
    load = _make_load(asked, manifest)
    with tempfile.TemporaryDirectory(prefix="csms-rolling-") as directory:
        outcome = play(manifest, load, options, Path(directory))
    print("\n".join(lines(manifest, load, outcome)))  # noqa: T201  the purpose of this command
    return 1 if outcome.problems else 0


def _make_load(asked: argparse.Namespace, manifest: Manifest) -> Load:
    if asked.scenario is None:
        return Fleet(asked.charge_points, asked.around_s)
    start_s = manifest.startup.failures * manifest.startup.period_s
    least_s = start_s + 2 * (manifest.grace_s + asked.propagation_s) + asked.around_s
    return LoadTest(asked.scenario, asked.charge_points, least_s)


if __name__ == "__main__":
    sys.exit(main())
