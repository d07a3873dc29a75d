"""A whole run on this machine: its processes, the checks after it, and the verdict."""

from collections.abc import AsyncIterator, Callable, Sequence

import trio

from loadtest.measuring.verdict import conclude
from loadtest.results import HistoryReport, Results
from loadtest.run.checking import check_store
from loadtest.run.coordinator import Coordinator, Orders
from loadtest.run.messages import Progress
from loadtest.run.signals import ending_signals


async def carry_out(
    orders: Orders,
    on_progress: Callable[[Sequence[Progress]], None],
    on_abort: Callable[[str], None] = lambda _why: None,
) -> Results:
    """Run, check and judge. `on_abort` gets the reason why a threshold ended the run early.

    A signal leaves out what is left of the checks. Raises CannotRun or EndedAtOnce.
    """
    outcome = await Coordinator(orders, on_progress).run()
    results = outcome.results
    if outcome.why is not None:
        on_abort(outcome.why)
    with trio.open_signal_receiver(*ending_signals()) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_interrupt, signals, nursery.cancel_scope, results)
            await check_store(results, orders.scenario, orders.secrets, orders.directory, outcome.commanded)
            nursery.cancel_scope.cancel()
    if results.history is None:
        results.history = HistoryReport(left_out="the checks were interrupted")
    conclude(results)
    return results


async def _interrupt(signals: AsyncIterator[int], scope: trio.CancelScope, results: Results) -> None:
    async for _ in signals:
        results.ended = "interrupted"
        scope.cancel()
