"""Output of a run: its progress, and the percentiles at its end."""

import sys
from pathlib import Path
from typing import Any

import msgspec
import trio
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from loadtest.commands import CommandLoad
from loadtest.fleet import Fleet
from loadtest.latency import Latencies
from loadtest.options import BadOptions

EVERY_S = 5.0
EVERY_ON_A_TERMINAL_S = 1.0


async def show_progress(fleet: Fleet) -> None:
    """Write a line to stderr every few seconds, until cancelled."""
    console = Console(stderr=True)
    began = trio.current_time()
    while True:
        await trio.sleep(EVERY_ON_A_TERMINAL_S if sys.stderr.isatty() else EVERY_S)
        elapsed = trio.current_time() - began
        errors = fleet.latencies.errors + fleet.failures.total()
        commands = "" if fleet.commands is None else f"  commands {fleet.commands.ended}"
        console.print(
            f"{elapsed:5.0f} s  connected {fleet.connected}/{fleet.plan.charge_points}"
            f"  booted {fleet.booted}  calls {fleet.latencies.calls}{commands}  errors {errors}",
            highlight=False,
        )


def show(fleet: Fleet) -> None:
    """Print the tables if any call was answered, then each kind of failure in one line."""
    console = Console(width=None if sys.stdout.isatty() else 100)
    if fleet.latencies.calls or fleet.latencies.errors:
        _show_table(console, "Milliseconds from when a call was due to its answer", fleet.latencies)
        if fleet.commands is not None:
            _show_commands(console, fleet.commands)
        console.print(f"The generator's own event loop was late by {fleet.late_p99_s * 1000:.1f} ms (p99).")
    for failure, count in fleet.failed.most_common(10):
        # Text from the central system may look like markup, but must be printed as it is.
        console.print(f"[red]{count} x[/red] {escape(failure)}", soft_wrap=True, highlight=False)


def _show_commands(console: Console, commands: CommandLoad) -> None:
    _show_table(
        console, "Commands to healthy charge points: ms from when one was due to its answer", commands.healthy
    )
    if commands.silent.calls:
        _show_table(
            console,
            "Commands to silent charge points: ms beyond the deadline, or until it was refused",
            commands.silent,
        )


def _show_table(console: Console, title: str, latencies: Latencies) -> None:
    table = Table(title=title)
    table.add_column("action")
    for name in ("calls", "errors", "mean", "p50", "p99", "max"):
        table.add_column(name, justify="right")
    for row in latencies.rows():
        times = (row.mean, row.p50, row.p99, row.maximum)
        table.add_row(row.action, str(row.calls), str(row.errors), *(f"{value:.2f}" for value in times))
    console.print(table)


def content(fleet: Fleet) -> dict[str, Any]:
    """Return the results as data, for programs."""
    found: dict[str, Any] = {
        "plan": msgspec.structs.replace(fleet.plan, url="hidden: it holds a token"),
        "actions": fleet.latencies.rows(),
        "failures": dict(fleet.failed),
        "generator_late_p99_ms": fleet.late_p99_s * 1000,
    }
    if fleet.commands is not None:
        found["commands"] = {
            "healthy": fleet.commands.healthy.rows(),
            "silent": fleet.commands.silent.rows(),
            "outcomes": {kind: dict(ends) for kind, ends in fleet.commands.outcomes.items()},
        }
    return found


def write(content: dict[str, Any], path: Path) -> None:
    """Write the results to a file as JSON. Raises BadOptions."""
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(content)))
    except OSError as error:
        raise BadOptions(f"--output {path}: {error.strerror}") from None
