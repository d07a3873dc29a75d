"""A gateway whose wall clock is some seconds behind: `python -m tests.support.late_gateway SECONDS`."""

import runpy
import sys
import time

BEHIND_NS = int(sys.argv.pop(1)) * 1_000_000_000
_time_ns = time.time_ns


def _late_ns() -> int:
    return _time_ns() - BEHIND_NS


def _late() -> float:
    return _late_ns() / 1e9


if __name__ == "__main__":
    time.time_ns, time.time = _late_ns, _late
    runpy.run_module("gateway", run_name="__main__", alter_sys=True)
