"""Measure what idle charge points cost the store: `python -m tests.bench.upkeep` takes about ten minutes.

The command starts a private server with `appendfsync always`. Most sessions are driven without sockets: seven
processes do all periodic work of a gateway for them. Beside them, a real gateway serves charge points with
real connections. A charge point sends a Heartbeat every 300 s and answers PINGs. A bystander, which is a
client with a connection of its own, measures how long a GET takes while the gateways have no sessions
(quiet), with connected charge points only, and then in turns while all gateways rest and work.
"""

import argparse
from functools import partial
from pathlib import Path
from sys import stdout

import trio

from tests.bench.upkeep.measuring import Cost, Plan, measure


def describe(what: str, cost: Cost) -> str:
    return (
        f"one idle charge point {what}: {cost.commands_us:.3f} us of commands and {cost.main_us:.3f} us of"
        f" the main thread a second, {cost.file_bytes:.1f} bytes of file a minute"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.upkeep", description=__doc__)
    parser.add_argument("--driven", type=int, default=100_000, help="charge points without connections")
    parser.add_argument("--gateways", type=int, default=7, help="processes that drive them")
    parser.add_argument("--connected", type=int, default=15_000, help="charge points with connections")
    parser.add_argument("--seconds", type=float, default=60, help="length of each measurement of costs")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of the bystander in each state")
    parser.add_argument("--release", type=Path, help="directory of another release for the connected ones")
    options = parser.parse_args()
    findings = trio.run(measure, Plan(**vars(options)), partial(print, flush=True, file=stdout))
    for what, cost in (("without connection", findings.driven), ("with connection", findings.connected)):
        if cost is not None:
            stdout.write(f"{describe(what, cost)}\n")
    for when in findings.bystander:
        stdout.write(f"bystander, {when}: p99 {findings.p99(when):.2f} ms\n")
    stdout.write(f"open connections, Heartbeats, PINGs, closed connections: {findings.fleet}\n")


if __name__ == "__main__":
    main()
