"""One process of a run: a part of the fleet, or its operators. Its parent starts it and leads it by messages.

Standard input and output are the pipes of the messages. What else would be printed goes to standard error.
"""

import os
import shutil
import signal
import ssl
import sys
import time
from importlib.metadata import version
from typing import Protocol

import msgspec
import trio

from gateway.service.open_files import raise_file_limit
from loadtest.correctness.commands import Commanded
from loadtest.measuring.assembling import assemble
from loadtest.measuring.generator import Health
from loadtest.measuring.recording import Recorder
from loadtest.measuring.verdict import LiveJudge
from loadtest.results import Results
from loadtest.run.access import Accesses
from loadtest.run.collecting import shorten_collections
from loadtest.run.credentials import hide_secrets
from loadtest.run.fleet import Fleet
from loadtest.run.machine import describe_machine
from loadtest.run.messages import (
    Done,
    Failed,
    Online,
    Progress,
    Ready,
    Receiver,
    Sender,
    Start,
    Stop,
    ToProcess,
    Work,
    to_process,
)
from loadtest.run.naming import Names
from loadtest.run.operators import Operators
from loadtest.scenario.schedule import digest
from loadtest.scenario.timeline import Timeline

PROGRESS_S = 1.0


class Doing(Protocol):
    """What a process does between the common start and its results."""

    commanded: list[Commanded]

    async def run(self, stop: trio.Event) -> None:
        """Do it until it is done. If `stop` is set, end at once."""

    def online(self) -> bytes: ...

    def violations(self) -> int: ...

    def complete(self, results: Results) -> None:
        """Add to the results what only this part knows."""

    def hear(self, message: Online) -> None: ...

    def lateness(self) -> float: ...


class Worker:
    def __init__(self, work: Work, sender: Sender, receiver: Receiver[ToProcess]) -> None:
        self._work = work
        self._sender = sender
        self._receiver = receiver
        self._timeline = Timeline(work.scenario)
        self._stop = trio.Event()

    async def run(self) -> None:
        """Get ready, take part in the run, and send the results."""
        work = self._work
        # A file that cannot be used must be noticed before the run begins.
        accesses = Accesses(work.secrets, work.source_addresses)
        names = Names(work.scenario, work.secrets)
        for index in range(work.first, work.end):
            accesses.check_certificate(index, names.id_of(index))
        intended = digest(work.scenario, work.first, work.end)
        shorten_collections()
        await self._sender.send(Ready())
        start = await self._receiver.receive()
        if start is None:
            self._clear()
        if not isinstance(start, Start):
            return
        # Trio's clock and the monotonic clock differ by a constant.
        recorder = Recorder(trio.current_time() + start.at - time.monotonic())
        doing: Doing
        if work.role == "fleet":
            doing = Fleet(work, recorder, self._timeline, accesses)
        else:
            doing = Operators(work, recorder, self._timeline)
        health = Health(work.process, recorder, doing.lateness)
        self._enter_first(recorder, health)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, doing)
            nursery.start_soon(self._enter_others, recorder, health)
            nursery.start_soon(health.run)
            nursery.start_soon(self._report_progress, recorder, health, doing)
            await doing.run(self._stop)
            nursery.cancel_scope.cancel()
        now = trio.current_time()
        results = assemble(
            recorder,
            await health.finish(now),
            at=now,
            release=version("csms"),
            scenario=hide_secrets(work.scenario),
            scale=work.scale,
            charge_points=(work.first, work.end),
            started_at=start.started_at,
            machine=describe_machine(work.part),
        )
        results.digest, results.intended = intended
        doing.complete(results)
        await self._sender.send(Done(results=results, commanded=tuple(doing.commanded)))

    def _enter_first(self, recorder: Recorder, health: Health) -> None:
        name = self._timeline.spans[0].name
        recorder.enter(name, recorder.begin)
        health.enter(name, recorder.begin)

    async def _enter_others(self, recorder: Recorder, health: Health) -> None:
        for span in self._timeline.spans[1:]:
            at = recorder.begin + span.begin
            await trio.sleep_until(at)
            recorder.enter(span.name, at)
            health.enter(span.name, at)
        # What the process does while the charge points leave cannot spoil what was measured before.
        at = recorder.begin + self._timeline.seconds
        await trio.sleep_until(at)
        await health.finish(at)

    async def _listen(self, doing: Doing) -> None:
        """Heed the parent. If the parent has ended, end at once."""
        while True:
            match await self._receiver.receive():
                case Stop():
                    self._stop.set()
                case Online() as online:
                    doing.hear(online)
                case None:
                    self._clear()
                    os._exit(1)
                case _:
                    raise ValueError("the parent sent a message twice")

    def _clear(self) -> None:
        """Remove the journals, because the parent would have done so, and has ended without."""
        shutil.rmtree(self._work.directory, ignore_errors=True)

    async def _report_progress(self, recorder: Recorder, health: Health, doing: Doing) -> None:
        work = self._work
        wanted = LiveJudge(work.scenario, work.scenario.fleet.charge_points).wanted
        at, used_s, clock_s = recorder.begin, time.process_time(), trio.current_time()
        while True:
            at += PROGRESS_S
            await trio.sleep_until(at)
            snapshot = recorder.snapshot(wanted)
            snapshot.violations = doing.violations()
            now, now_used_s = trio.current_time(), time.process_time()
            await self._sender.send(
                Progress(
                    process=work.process,
                    at=now - recorder.begin,
                    charge_points=work.end - work.first,
                    snapshot=snapshot,
                    lag_s=health.take_lag(),
                    cpu_share=(now_used_s - used_s) / max(now - clock_s, 0.001),
                    online=doing.online(),
                )
            )
            used_s, clock_s = now_used_s, now


async def _main(stdin: int, stdout: int) -> None:
    sender = Sender(trio.lowlevel.FdStream(stdout))
    receiver = Receiver(trio.lowlevel.FdStream(stdin), to_process)
    work = await receiver.receive()
    if not isinstance(work, Work):
        sys.exit("csms loadtest run starts this program; it gets its work from there")
    raise_file_limit()
    try:
        await Worker(work, sender, receiver).run()
    except* (OSError, ssl.SSLError, msgspec.MsgspecError) as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        await sender.send(Failed(str(error)))


if __name__ == "__main__":
    # The parent alone heeds Ctrl-C, and ends this process by a message.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe = os.dup(1)
    os.dup2(2, 1)
    trio.run(_main, os.dup(0), pipe)
