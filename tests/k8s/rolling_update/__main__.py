"""Plays a rolling update with the manifests as they are, and prints a table.

The exit code is 0 if no fact was lost, each charge point was moved once, and each pod ended with 0.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.k8s.rolling_update import manifest as manifests
from tests.k8s.rolling_update.play import Options, play
from tests.k8s.rolling_update.report import lines


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.k8s.rolling_update", description=__doc__)
    parser.add_argument("--charge-points", type=int, default=200)
    parser.add_argument("--propagation-s", type=float, default=5, help="delay of the load balancer")
    parser.add_argument("--latency-s", type=float, default=0.15, help="delay of the network, one way")
    parser.add_argument("--around-s", type=float, default=10, help="time before and after the update")
    asked = parser.parse_args()
    options = Options(
        charge_points=asked.charge_points,
        propagation_s=asked.propagation_s,
        latency_s=asked.latency_s,
        around_s=asked.around_s,
    )
    manifest = manifests.read()
    with tempfile.TemporaryDirectory(prefix="csms-rolling-") as directory:
        outcome = play(manifest, options, Path(directory))
    print("\n".join(lines(manifest, outcome)))  # noqa: T201  the purpose of this command
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
