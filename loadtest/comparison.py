"""A comparison of the same load without and with silent charge points."""

import sys
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from loadtest.fleet import Fleet
from loadtest.latency import Latencies, Row


class Side:
    """Results of one of the two loads, over all rounds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls = Latencies()
        self.commands = Latencies()
        self.silent = Latencies()
        self.late_p99_s = 0.0

    def add(self, fleet: Fleet) -> None:
        self.calls.add(fleet.latencies)
        if fleet.commands is not None:
            self.commands.add(fleet.commands.healthy)
            self.silent.add(fleet.commands.silent)
        self.late_p99_s = max(self.late_p99_s, fleet.late_p99_s)


class Ratio(msgspec.Struct, frozen=True):
    """Latencies with silent charge points divided by the latencies without them.

    The latencies in `without` and `with_silent` are in milliseconds.
    """

    what: str
    without: Row
    with_silent: Row
    mean: float
    p99: float


def ratios(without: Side, with_silent: Side) -> list[Ratio]:
    """Compare the calls of the charge points that are not silent, and the commands to these charge points."""
    found = []
    for what, one, other in (
        ("calls of healthy charge points", without.calls, with_silent.calls),
        ("commands to healthy charge points", without.commands, with_silent.commands),
    ):
        before, after = one.rows()[-1], other.rows()[-1]
        found.append(
            Ratio(what, before, after, _divide(after.mean, before.mean), _divide(after.p99, before.p99))
        )
    return found


def content(without: Side, with_silent: Side) -> dict[str, Any]:
    return {
        "ratios": ratios(without, with_silent),
        "commands_to_silent": with_silent.silent.rows(),
        "generator_late_p99_ms": {side.name: side.late_p99_s * 1000 for side in (without, with_silent)},
    }


def show(without: Side, with_silent: Side) -> None:
    console = Console(width=None if sys.stdout.isatty() else 110)
    table = Table(title="Milliseconds without and with silent charge points, and the ratio of the two")
    table.add_column("what")
    for name in ("count", "mean", "", "ratio", "p99", "", "ratio"):
        table.add_column(name, justify="right")
    for one in ratios(without, with_silent):
        before, after = one.without, one.with_silent
        table.add_row(
            one.what,
            f"{before.calls}/{after.calls}",
            *(f"{before.mean:.2f}", f"{after.mean:.2f}", f"{one.mean:.3f}"),
            *(f"{before.p99:.2f}", f"{after.p99:.2f}", f"{one.p99:.3f}"),
        )
    console.print(table)
    for row in with_silent.silent.rows()[:-1]:
        console.print(
            f"Commands to silent ones: {row.calls} x {row.action}, {row.mean:.0f} ms after their time"
            f" (mean), {row.maximum:.0f} ms at most.",
            highlight=False,
        )
    for side in (without, with_silent):
        console.print(
            f"The generator's own event loop was late by {side.late_p99_s * 1000:.1f} ms (p99) {side.name}.",
            highlight=False,
        )


def _divide(after: float, before: float) -> float:
    return after / before if before else 0.0
