"""The command line of the load test, and a scenario of a second."""

import subprocess
from pathlib import Path

from tests.loadtest.run.runs import CLI

SCENARIO = """
name = "small"
[fleet]
charge_points = 4
[[groups]]
name = "drivers"
heartbeat_s = 0
[[groups.arrivals]]
action = "Heartbeat"
per_second = 10
[[groups]]
name = "quiet"
heartbeat_s = 0
[[stages]]
name = "all"
kind = "step"
connected = 1
seconds = {seconds}
[[stages]]
name = "leave"
kind = "step"
connected = 0
seconds = 0.5
[generator]
cpu_share = 1
lag_p99_s = 60
lag_max_s = 60
late_share = 1
"""

ACTION = """
[[actions]]
stage = "all"
name = "restart"
shell = "echo restarted"
"""


def write(directory: Path, *, seconds: float = 1.0, more: str = "") -> str:
    (file := directory / "small.toml").write_text(SCENARIO.format(seconds=seconds) + more)
    return str(file)


def loadtest(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*CLI, *arguments], capture_output=True, text=True, timeout=120, check=False)
