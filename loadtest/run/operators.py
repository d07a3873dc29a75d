"""Operators: commands at a rate to random connected charge points, through the admin API of csms.

They run in a process of their own, so that neither their requests nor the fleet delay each other. A command
is due at its time, however long the commands before take, and its latency counts from then.
"""

from collections.abc import Iterator, Sequence

import httpx
import trio

from loadtest.correctness.commands import Commanded
from loadtest.measuring.recording import Recorder
from loadtest.results import Results
from loadtest.run.admin_api import open_apis, send_command
from loadtest.run.messages import Online, Work
from loadtest.run.naming import Names
from loadtest.scenario.dice import Dice
from loadtest.scenario.model import Commands, Scenario, StageSpan
from loadtest.scenario.population import group_of
from loadtest.scenario.timeline import Timeline

IN_FLIGHT_MAX = 2_000
COMMANDED_MAX = 200_000
"""Commands of which the end is kept, so that they can be looked for in the notes of the charge points."""
_CLIENTS = 16


def find_times(
    commands: Commands, scenario: Scenario, spans: Sequence[StageSpan]
) -> Iterator[tuple[int, float]]:
    """Return the number and the intended time of each command, in the order of time.

    The parts of a run send the commands in turn, so `number` says whose turn it is.
    """
    ramps = {stage.name for stage in scenario.stages if stage.kind == "ramp"}
    every_s = 1 / commands.per_second
    number = 0
    for span in spans:
        if span.name in commands.stages if commands.stages else span.name not in ramps:
            first = 0
            while (at := span.begin + first * every_s) < span.end:
                yield number, at
                first += 1
                number += 1


class Connected:
    """Which charge points can take a command now, by the groups that commands name."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._bits: dict[int, bytes] = {}
        self._listed: dict[tuple[str, ...], list[int]] = {}

    def update(self, first: int, bits: bytes) -> None:
        self._bits[first] = bits
        self._listed.clear()

    def choose(self, groups: tuple[str, ...], dice: Dice) -> int | None:
        """Return one of them, or None if there is none."""
        listed = self._listed.get(groups)
        if listed is None:
            listed = self._listed[groups] = [index for index in self._all() if self._is_of(index, groups)]
        return listed[dice.below(len(listed))] if listed else None

    def _all(self) -> Iterator[int]:
        for first, bits in sorted(self._bits.items()):
            for at, byte in enumerate(bits):
                if byte:
                    yield from (first + at * 8 + bit for bit in range(8) if byte >> bit & 1)

    def _is_of(self, index: int, groups: tuple[str, ...]) -> bool:
        return not groups or group_of(self._scenario, index).name in groups


class Operators:
    """Sends all commands of a scenario. `commanded` has how they ended."""

    def __init__(self, work: Work, recorder: Recorder, timeline: Timeline) -> None:
        self.commanded: list[Commanded] = []
        self._work = work
        self._recorder = recorder
        self._timeline = timeline
        self._connected = Connected(work.scenario)
        self._names = Names(work.scenario, work.secrets)
        self._in_flight = 0

    async def run(self, stop: trio.Event) -> None:
        """Send all commands, and wait until the last one has ended. If `stop` is set, end at once."""
        async with open_apis(self._work.secrets, _CLIENTS) as apis, trio.open_nursery() as nursery:
            nursery.start_soon(self._cancel_at_stop, stop, nursery.cancel_scope)
            async with trio.open_nursery() as operators:
                for place, commands in enumerate(self._work.scenario.commands):
                    operators.start_soon(self._send_all, place, commands, apis)
                await trio.sleep_until(self._recorder.begin + self._timeline.seconds)
            nursery.cancel_scope.cancel()

    async def _cancel_at_stop(self, stop: trio.Event, scope: trio.CancelScope) -> None:
        await stop.wait()
        scope.cancel()

    def hear(self, message: Online) -> None:
        self._connected.update(message.first, message.bits)

    def online(self) -> bytes:
        return b""

    def violations(self) -> int:
        return 0

    def lateness(self) -> float:
        return 0.0

    def complete(self, results: Results) -> None:
        """Add nothing, because the recorder has all that operators measure."""

    async def _send_all(self, place: int, commands: Commands, apis: Sequence[httpx.AsyncClient]) -> None:
        scenario, (part, parts) = self._work.scenario, self._work.part
        async with trio.open_nursery() as nursery:
            for number, at in find_times(commands, scenario, self._timeline.spans):
                if number % parts != part:
                    continue
                intended = self._recorder.begin + at
                await trio.sleep_until(intended)
                dice = Dice(scenario.seed, number, f"commands {place}")
                index = self._connected.choose(commands.groups, dice)
                if index is None:
                    self._recorder.count("commands_without_charge_point")
                elif self._in_flight >= IN_FLIGHT_MAX:
                    self._recorder.count("dropped")
                else:
                    self._in_flight += 1
                    nursery.start_soon(self._send, apis[number % _CLIENTS], commands, index, intended)

    async def _send(self, api: httpx.AsyncClient, commands: Commands, index: int, intended: float) -> None:
        charge_point = self._names.id_of(index)
        self._recorder.sent(intended, trio.current_time(), free=True)
        try:
            ended = await send_command(
                api, charge_point, commands.action, commands.payload, commands.timeout_s
            )
        finally:
            self._in_flight -= 1
        expected = ended.answer is not None and (not commands.expect or ended.answer in commands.expect)
        now = trio.current_time()
        self._recorder.command(commands.action, intended, now, ended.outcome, expected=expected)
        if ended.status and len(self.commanded) < COMMANDED_MAX:
            self.commanded.append(Commanded(ended.id, charge_point, commands.action, ended.status))
