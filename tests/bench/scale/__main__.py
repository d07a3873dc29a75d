"""Measure csms with growing fleets over wss, and a storm, on this machine.

Each run starts a `csms up` with several gateways, and the load test with several processes, and ends both.
A fleet is that of the shipped scenario `steady`: a Heartbeat each 300 s, and one in ten charge points
charges, with MeterValues each 60 s. Results go into build/scale as JSON, Markdown and SVG, beside the reports
of the load test. Four sizes, held for 10 minutes each, and the storm take an hour and a quarter. The machine
should have no other work, because generators and gateways share its cores.
"""

import argparse
import os
import sys
from datetime import UTC, datetime

from tests.bench.peers.results import describe_machine
from tests.bench.scale import report
from tests.bench.scale.measuring import Plan, measure_size, measure_storm
from tests.bench.scale.readings import read_available_kib
from tests.bench.scale.results import BUILD, Results, save


def main() -> None:
    chosen = _read_options()
    BUILD.mkdir(parents=True, exist_ok=True)
    results = Results(
        date=f"{datetime.now(UTC):%b %d %Y}",
        machine=describe_machine(),
        command=" ".join(("python -m tests.bench.scale", *sys.argv[1:])),
        per_second=chosen.per_second,
        available_kib=read_available_kib(),
        cores=len(os.sched_getaffinity(0)),
    )
    plan = Plan(chosen.workers, chosen.generators, chosen.per_second, chosen.settle, chosen.hold, _say)
    for charge_points in chosen.sizes:
        results.sizes.append(measure_size(plan, charge_points))
        _write(results)
    for how in chosen.storm_by if chosen.storm else ():
        results.storms.append(measure_storm(plan, chosen.storm, how))
        _write(results)
    _say(report.make_tables(results))


def _write(results: Results) -> None:
    """Write what is known so far, because a run of an hour may be stopped."""
    save(results)
    (BUILD / "results.md").write_text(report.make_tables(results))
    for name, drawing in report.make_plots(results).items():
        (BUILD / f"{name}.svg").write_text(drawing)


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description=__doc__)
    parser.add_argument(
        "--sizes",
        type=_split,
        metavar="N,...",
        help="of the fleets; 1000,5000,20000,50000, or 500,1000 with --short",
    )
    parser.add_argument("--hold", type=float, help="seconds of the hold; 600, or 20 with --short")
    parser.add_argument("--settle", type=float, help="seconds before the hold; 65, or 5 with --short")
    parser.add_argument("--storm", type=int, help="charge points of the storm; 20000, or 500; 0 for none")
    parser.add_argument(
        "--storm-by",
        nargs="+",
        choices=("reset", "kill"),
        default=["reset"],
        help="what ends the connections",
    )
    parser.add_argument("--workers", type=int, help="gateways; without it, one for 13,000 charge points")
    parser.add_argument("--generators", type=int, help="processes; without it, as the load test chooses")
    parser.add_argument("--per-second", type=float, default=150.0, help="charge points that connect")
    parser.add_argument("--short", action="store_true", help="take 6 minutes")
    chosen = parser.parse_args()
    defaults = (
        ([500, 1000], 20.0, 5.0, 500) if chosen.short else ([1000, 5000, 20_000, 50_000], 600.0, 65.0, 20_000)
    )
    for name, value in zip(("sizes", "hold", "settle", "storm"), defaults, strict=True):
        if getattr(chosen, name) is None:
            setattr(chosen, name, value)
    return chosen


def _split(text: str) -> list[int]:
    return [int(size) for size in text.split(",") if size]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
