"""What a run shows: progress while it lasts, percentiles at its end."""

import sys
from pathlib import Path

import msgspec
import trio
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from loadtest.fleet import Fleet

EVERY_S = 5.0
EVERY_ON_A_TERMINAL_S = 1.0


async def show_progress(fleet: Fleet) -> None:
    """One line every few seconds on stderr, until cancelled."""
    console = Console(stderr=True)
    began = trio.current_time()
    while True:
        await trio.sleep(EVERY_ON_A_TERMINAL_S if sys.stderr.isatty() else EVERY_S)
        elapsed = trio.current_time() - began
        errors = fleet.latencies.errors + fleet.failures.total()
        console.print(
            f"{elapsed:5.0f} s  connected {fleet.connected}/{fleet.plan.charge_points}"
            f"  booted {fleet.booted}  calls {fleet.latencies.calls}  errors {errors}",
            highlight=False,
        )


def show(fleet: Fleet) -> None:
    """The table on stdout, if anything was answered; failures below it, each in one line."""
    console = Console(width=None if sys.stdout.isatty() else 100)
    if fleet.latencies.calls or fleet.latencies.errors:
        _show_table(fleet, console)
    for failure, count in fleet.failures.most_common(10):
        # What the other side wrote is no markup.
        console.print(f"[red]{count} x[/red] {escape(failure)}", soft_wrap=True, highlight=False)


def _show_table(fleet: Fleet, console: Console) -> None:
    table = Table(title="Milliseconds from when a call was due to its answer")
    table.add_column("action")
    for name in ("calls", "errors", "mean", "p50", "p99", "max"):
        table.add_column(name, justify="right")
    for row in fleet.latencies.rows():
        table.add_row(row.action, str(row.calls), str(row.errors), *(f"{value:.2f}" for value in row[3:]))
    console.print(table)
    console.print(f"The generator's own event loop was late by {fleet.late_p99_s * 1000:.1f} ms (p99).")


def write(fleet: Fleet, path: Path) -> None:
    """The same as JSON. Raises OSError."""
    content = {
        "plan": msgspec.structs.replace(fleet.plan, url="hidden: it holds a token"),
        "actions": [row._asdict() for row in fleet.latencies.rows()],
        "failures": dict(fleet.failures),
        "generator_late_p99_ms": fleet.late_p99_s * 1000,
    }
    path.write_bytes(msgspec.json.format(msgspec.json.encode(content)))
