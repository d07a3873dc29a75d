"""The parent of a run: it starts the processes, gives them a common start, and collects their results."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import trio
from msgspec import Struct
from msgspec.structs import replace

from loadtest.correctness.commands import Commanded
from loadtest.measuring.assembling import merge
from loadtest.measuring.recording import add_snapshots
from loadtest.measuring.verdict import LiveJudge
from loadtest.results import ActionReport, Ended, Results, Slices
from loadtest.run.actions import run_action
from loadtest.run.credentials import Secrets, hide_secrets
from loadtest.run.dividing import divide
from loadtest.run.machine import describe_machine
from loadtest.run.messages import Online, Progress, Start, Stop, Work
from loadtest.run.processes import Process
from loadtest.run.signals import ending_signals
from loadtest.scenario.model import Scenario, ShellAction
from loadtest.scenario.schedule import combine
from loadtest.scenario.timeline import Timeline

READY_S = 300.0
"""Time that the processes have to get ready."""
LEAD_S = 0.5
"""Time from the last process that is ready to the common start, and a second for 5,000 charge points."""
LEADS_PER_S = 5_000
SILENT_S = 30.0
"""Time after which a process that says nothing counts as hung."""
STOP_S = 7.0
"""Time that the processes have for their results after a signal."""
AFTER_S = 120.0
"""Time that the processes have for their results after the last stage, and the time of an answer."""


class CannotRun(Exception):  # noqa: N818  the name says it
    """The run did not begin; the text says why, and what would be right."""


class EndedAtOnce(Exception):  # noqa: N818  it says what happened
    """A second signal ended the run, without results."""


class Orders(Struct, frozen=True, kw_only=True):
    """A run on this machine.

    `part` is the number of this machine's part, from 0, and the number of parts. `start_at` is the common
    start of all machines in Unix seconds, or None for as soon as possible. The processes write journals into
    `directory`.
    """

    scenario: Scenario
    scale: float = 1.0
    part: tuple[int, int] = (0, 1)
    processes: int
    secrets: Secrets
    source_addresses: int = 0
    start_at: float | None = None
    directory: Path

    @property
    def fleet(self) -> tuple[int, int]:
        """Return the numbers of the part's first charge point, and of the one after its last."""
        number, parts = self.part
        return divide(0, self.scenario.fleet.charge_points, parts)[number]


class Outcome(Struct):
    """`commanded` are the commands that the operators sent, for the checks after the run.

    `why` says which threshold ended the run early.
    """

    results: Results
    commanded: tuple[Commanded, ...] = ()
    why: str | None = None


class Coordinator:
    """One run. `on_progress` gets the latest Progress of each process of the fleet once a second."""

    def __init__(self, orders: Orders, on_progress: Callable[[Sequence[Progress]], None]) -> None:
        self._orders = orders
        self._on_progress = on_progress
        self._timeline = Timeline(orders.scenario)
        self._live = LiveJudge(orders.scenario, orders.fleet[1] - orders.fleet[0])
        self._processes = [Process(work) for work in _make_works(orders)]
        self._ended: Ended = "completed"
        self._invalid: list[str] = []
        self._actions: list[ActionReport] = []
        self._started_at = ""
        self._why: str | None = None
        self._stop = trio.Event()
        self._killed = False

    async def run(self) -> Outcome:
        """Run until the end, a signal, a missed threshold or the end of a process.

        Raises CannotRun or EndedAtOnce.
        """
        failed: str | None = None
        with trio.open_signal_receiver(*ending_signals()) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._heed, signals, nursery.cancel_scope)
                for process in self._processes:
                    nursery.start_soon(process.run)
                failed = await self._conduct()
                nursery.cancel_scope.cancel()
        if self._killed:
            raise EndedAtOnce
        if failed is not None:
            raise CannotRun(failed)
        return self._collect()

    async def _heed(self, signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
        async for _ in signals:
            if self._stop.is_set() and self._ended == "interrupted":
                self._killed = True
                scope.cancel()
            self._end("interrupted")

    def _end(self, how: Literal["interrupted", "aborted"]) -> None:
        if not self._stop.is_set():
            self._ended = how
            self._stop.set()
        elif how == "interrupted":
            self._ended = how

    async def _conduct(self) -> str | None:
        """Lead the processes from their start to their end. Return why the run did not begin."""
        failed = await self._wait_until_ready()
        if failed is not None or self._stop.is_set():
            return failed
        largest = max(process.work.end - process.work.first for process in self._processes)
        lead_s = LEAD_S + largest / LEADS_PER_S
        now = time.time()
        start_at = now + lead_s if self._orders.start_at is None else self._orders.start_at
        if start_at < now + lead_s:
            return (
                f"the processes were ready {start_at - now:.1f} s before --start-at, but need {lead_s:.1f} s "
                "from then on; give a later time"
            )
        self._started_at = datetime.fromtimestamp(start_at, UTC).isoformat(timespec="milliseconds")
        start = Start(time.monotonic() + start_at - now, self._started_at)
        begin = trio.current_time() + start_at - now
        async with trio.open_nursery() as nursery:
            for process in self._processes:
                nursery.start_soon(process.send, start)
            nursery.start_soon(self._watch, begin)
            async with trio.open_nursery() as actions:
                for action in self._orders.scenario.actions if self._orders.part[0] == 0 else ():
                    actions.start_soon(self._act, action, begin)
                await self._wait_until_over(begin)
                if self._stop.is_set():
                    actions.cancel_scope.cancel()
            nursery.cancel_scope.cancel()
        return None

    async def _wait_until_ready(self) -> str | None:
        """Return None when all processes are ready or a signal came, and else what was wrong."""
        with trio.move_on_after(READY_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._cancel_at_stop, nursery.cancel_scope)
                for process in self._processes:
                    nursery.start_soon(_cancel_at_end, process, nursery.cancel_scope)
                for process in self._processes:
                    await process.ready.wait()
                nursery.cancel_scope.cancel()
        if self._stop.is_set():
            return None
        failures = [process.failure for process in self._processes if process.over.is_set()]
        if failures:
            return failures[0]
        late = [process.name for process in self._processes if not process.ready.is_set()]
        if late:
            return f"{late[0]} was not ready within {READY_S:.0f} s; give the machine less other work"
        return None

    async def _cancel_at_stop(self, scope: trio.CancelScope) -> None:
        await self._stop.wait()
        scope.cancel()

    async def _act(self, action: ShellAction, begin: float) -> None:
        report = await run_action(action, begin=begin, at=self._timeline.time_of(action))
        self._actions.append(report)

    async def _watch(self, begin: float) -> None:
        """Once a second, show the progress, and look for hung processes and for missed thresholds."""
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(1.0)
                latest = [
                    process.progress
                    for process in self._processes
                    if process.work.role == "fleet" and process.progress is not None
                ]
                if latest:
                    self._on_progress(latest)
                for process in self._processes:
                    if process.work.role == "operators" and not process.is_sending:
                        nursery.start_soon(_send_online, process, self._processes)
                    if trio.current_time() - max(begin, process.heard_at) > SILENT_S:
                        process.give_up(f"said nothing for {SILENT_S:.0f} s")
                self._judge_live(trio.current_time() - begin)

    def _judge_live(self, at: float) -> None:
        snapshots = [process.progress.snapshot for process in self._processes if process.progress is not None]
        if snapshots:
            why = self._live.look(at, add_snapshots(snapshots))
            if why is not None and not self._stop.is_set():
                self._why = why
                self._end("aborted")

    async def _wait_until_over(self, begin: float) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._stop_all, begin)
            async with trio.open_nursery() as followed:
                for process in self._processes:
                    followed.start_soon(self._follow, process)
            nursery.cancel_scope.cancel()

    async def _follow(self, process: Process) -> None:
        """Wait for the end of a process. If it has no results, the run is invalid, and ends."""
        await process.over.wait()
        if process.failure is not None:
            self._invalid.append(process.failure)
            self._end("aborted")

    async def _stop_all(self, begin: float) -> None:
        """Let all processes send their results when the run shall stop or must be over, and kill the rest."""
        with trio.move_on_at(begin + self._timeline.seconds + self._orders.scenario.fleet.answer_s + AFTER_S):
            await self._stop.wait()
        self._end("aborted")
        async with trio.open_nursery() as nursery:
            for process in self._processes:
                nursery.start_soon(process.send, Stop())
            await trio.sleep(STOP_S)
            for process in self._processes:
                process.give_up(f"did not send its results within {STOP_S:.0f} s")

    def _collect(self) -> Outcome:
        done = [process.done for process in self._processes if process.done is not None]
        scenario = hide_secrets(self._orders.scenario)
        results = (
            merge([one.results for one in done], combine, whole=False)
            if done
            else Results(
                release=version("csms"),
                scenario=scenario,
                charge_points=self._orders.fleet,
                started_at=self._started_at,
                slices=Slices(length=1.0),
            )
        )
        results.scenario = scenario
        results.scale = self._orders.scale
        results.parts = 1
        results.charge_points = self._orders.fleet
        results.machines = [describe_machine(self._orders.part)]
        results.ended = self._ended
        results.actions = sorted(self._actions, key=lambda report: report.at)
        results.invalid += self._invalid
        return Outcome(results, tuple(command for one in done for command in one.commanded), self._why)


def _make_works(orders: Orders) -> list[Work]:
    first, end = orders.fleet
    works = [
        Work(
            process=str(number),
            role="fleet",
            scenario=orders.scenario,
            scale=orders.scale,
            part=orders.part,
            first=one,
            end=other,
            fleet=orders.fleet,
            secrets=orders.secrets.of_fleet(one, other),
            source_addresses=orders.source_addresses,
            directory=str(orders.directory),
        )
        for number, (one, other) in enumerate(divide(first, end, orders.processes), 1)
    ]
    if orders.scenario.commands:
        secrets = orders.secrets.of_operators()
        works.append(replace(works[0], process="operators", role="operators", end=first, secrets=secrets))
    return works


async def _cancel_at_end(process: Process, scope: trio.CancelScope) -> None:
    await process.over.wait()
    scope.cancel()


async def _send_online(operators: Process, processes: Sequence[Process]) -> None:
    for process in processes:
        if process.progress is not None and process.progress.online:
            await operators.send(Online(process.work.first, process.progress.online))
