"""The charge points of one process, from the common start to the end of the last stage."""

from pathlib import Path

import trio

from loadtest.charge_point.charge_point import ChargePoint
from loadtest.charge_point.connecting import Connector
from loadtest.charge_point.wheel import Wheel
from loadtest.charge_point.world import World
from loadtest.correctness.checks import Checks
from loadtest.correctness.commands import Commanded
from loadtest.correctness.notes import Notes
from loadtest.history import Journal
from loadtest.measuring.recording import Recorder
from loadtest.results import Results
from loadtest.run.access import Accesses
from loadtest.run.messages import Online, Work
from loadtest.run.naming import Names
from loadtest.run.storms import Storms
from loadtest.scenario.dice import Dice
from loadtest.scenario.population import group_of
from loadtest.scenario.timeline import Timeline

LEAVE_S = 45.0
"""Time that the charge points have after the last stage to deliver what they have, and to close."""
STOPPED_S = 3.0
"""The same time after a signal."""
LEAVES_PER_S = 500
_LOOK_S = 0.1


def journal_path(directory: str | Path, process: str) -> Path:
    return Path(directory, f"journal-{process}.jsonl")


def notes_path(directory: str | Path, process: str) -> Path:
    return Path(directory, f"notes-{process}.jsonl")


class Fleet:
    """The charge points from `work.first` to before `work.end`."""

    def __init__(self, work: Work, recorder: Recorder, timeline: Timeline, accesses: Accesses) -> None:
        scenario = work.scenario
        self.commanded: list[Commanded] = []
        self._work = work
        self._recorder = recorder
        self._timeline = timeline
        self._wheel = Wheel()
        self._names = Names(scenario, work.secrets)
        self._accesses = accesses
        self._notes = Notes(notes_path(work.directory, work.process))
        self._journal = Journal(journal_path(work.directory, work.process))
        self._checks = Checks(
            Dice(scenario.seed, work.first, "checks"),
            scenario.checks.schemas_share,
            charge_points=scenario.fleet.charge_points,
            charge_point_id=self._names.id_of,
            faulty={
                self._names.id_of(index)
                for index in range(work.first, work.end)
                if group_of(scenario, index).faults
            },
            now=lambda: trio.current_time() - recorder.begin,
            notes=self._notes,
        )
        self._charge_points: list[ChargePoint] = []
        self._storms = Storms(scenario, timeline, self._wheel, recorder, self._find)

    async def run(self, stop: trio.Event) -> None:
        """Run all stages. If `stop` is set, end within a few seconds."""
        scenario, recorder, timeline = self._work.scenario, self._recorder, self._timeline
        async with trio.open_nursery() as nursery:
            world = World(
                scenario=scenario,
                timeline=timeline,
                begin=recorder.begin,
                wheel=self._wheel,
                recorder=recorder,
                checks=self._checks,
                journal=self._journal,
                connect=Connector(self._accesses.of, nursery.start_soon, scenario.fleet.connect_s).connect,
                start_soon=nursery.start_soon,
                id_of=self._names.id_of,
                id_tag_of=self._names.id_tag_of,
            )
            for index in range(self._work.first, self._work.end):
                charge_point = ChargePoint(index, world)
                charge_point.begin()
                self._charge_points.append(charge_point)
            self._storms.prepare(self._work.first, self._work.end)
            nursery.start_soon(self._wheel.run)
            with trio.move_on_at(recorder.begin + timeline.seconds):
                await stop.wait()
            await self._leave(stop)
            nursery.cancel_scope.cancel()

    async def _leave(self, stop: trio.Event) -> None:
        """Let the rest of the charge points leave one after the other, so that their stops are spread."""
        now = trio.current_time()
        # The last second of the run must not show the connections that are left after the first ones left.
        self._recorder.tick(now)
        for place, charge_point in enumerate(self._charge_points):
            after_s = 0.0 if stop.is_set() else place / LEAVES_PER_S
            self._wheel.at(now + after_s, charge_point.leave)
        with trio.move_on_after(len(self._charge_points) / LEAVES_PER_S + LEAVE_S) as limit:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._hurry, stop, limit)
                while not all(one.gone for one in self._charge_points):  # noqa: ASYNC110  nobody else looks
                    await trio.sleep(_LOOK_S)
                nursery.cancel_scope.cancel()
        if limit.cancelled_caught:
            # Calls that are still open must be counted, and the connections end with the run.
            for charge_point in self._charge_points:
                if charge_point.connected:
                    charge_point.take_loss()

    async def _hurry(self, stop: trio.Event, limit: trio.CancelScope) -> None:
        await stop.wait()
        limit.deadline = min(limit.deadline, trio.current_time() + STOPPED_S)

    def _find(self, index: int) -> ChargePoint:
        return self._charge_points[index - self._work.first]

    def online(self) -> bytes:
        if not self._work.scenario.commands:
            return b""
        bits = bytearray((len(self._charge_points) + 7) // 8)
        for place, charge_point in enumerate(self._charge_points):
            if charge_point.online:
                bits[place >> 3] |= 1 << (place & 7)
        return bytes(bits)

    def violations(self) -> int:
        return self._checks.counts.total()

    def lateness(self) -> float:
        return self._wheel.take_lateness()

    def hear(self, message: Online) -> None:
        """Do nothing, because only operators have to know who is connected."""

    def complete(self, results: Results) -> None:
        self._notes.close()
        self._journal.close()
        results.violations = list(self._checks.violations)
        results.violation_counts = self._checks.counts
        results.storms = self._storms.report(results.slices)
