"""The commands of `csms loadtest`, also as `python -m loadtest`."""

from gateway.service import interrupts

interrupts.end_silently()

import signal
import sys
from collections.abc import AsyncIterator
from typing import Annotated

import trio
from cyclopts import App, Parameter, validators

from loadtest import comparison, report
from loadtest.comparison import Side
from loadtest.fleet import Fleet
from loadtest.options import BadOptions, Options

app = App(
    name="csms loadtest",
    help="Simulate many charge points, and measure how fast a central system answers them.",
    version_flags=[],
)


@app.command
def run(options: Options) -> int:
    """Let charge points boot, authorise, charge and stop, and show how fast the answers came.

    Each charge point boots, reports its status, authorises, starts a transaction, sends meter values until
    the time is over, and stops. An operator may stop or start a transaction during the run. Ctrl-C ends the
    run and shows the results so far. The exit code is 0 if all went well, 1 if anything failed, 2 if an
    option is wrong, and 130 if a signal ended the run.
    """
    fleet = options.fleet(silent=options.silent)
    came_to_its_end = trio.run(_run, fleet)
    report.show(fleet)
    if not came_to_its_end:
        return 130
    if options.output is not None:
        report.write(report.content(fleet), options.output)
    return 1 if fleet.failed else 0


@app.command
def compare(
    options: Options, *, rounds: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=100))] = 1
) -> int:
    """Run the same load without and with silent charge points, and compare the latencies of the others.

    This command needs --silent and --commands-per-second. The exit code is 0 if nothing failed, 1 if anything
    failed, 2 if an option is wrong, and 130 if a signal ended the run. The command does not judge the ratios,
    because a good ratio depends on what else the machine does.

    Parameters
    ----------
    rounds
        Number of times that each of the two loads is run. Every second round swaps the order of the loads,
        because the speed of a machine changes with time.
    """
    if not options.silent or not options.commands_per_second:
        raise BadOptions("compare needs both --silent and --commands-per-second; give each a number above 0")
    without, with_silent = Side("without"), Side("with silent ones")
    for number in range(rounds):
        pair = ((without, 0), (with_silent, options.silent))
        for side, silent in pair if number % 2 == 0 else pair[::-1]:
            fleet = options.fleet(silent=silent)
            came_to_its_end = trio.run(_run, fleet)
            if fleet.failed or not came_to_its_end:
                report.show(fleet)
                return 1 if came_to_its_end else 130
            side.add(fleet)
    comparison.show(without, with_silent)
    if options.output is not None:
        report.write(comparison.content(without, with_silent), options.output)
    return 0


async def _run(fleet: Fleet) -> bool:
    """Run the fleet; return False if a signal ended it early."""
    ended = False
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_at, signals, nursery.cancel_scope)
            nursery.start_soon(report.show_progress, fleet)
            await fleet.run()
            ended = True
            nursery.cancel_scope.cancel()
    return ended


async def _stop_at(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    async for _ in signals:
        scope.cancel()


if __name__ == "__main__":
    try:
        sys.exit(app())
    except BadOptions as bad:
        sys.stderr.write(f"csms loadtest: {bad}\n")
        sys.exit(2)
