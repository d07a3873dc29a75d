"""What one charge point intends of one kind: beats, arrivals, calls in sequence, and transactions.

A stream keeps the time of its next send and what it needs to find the one after. Each has its own Dice, so
that one more stream in a scenario changes nothing of the others.
"""

from functools import cache
from math import ceil, inf
from typing import Literal, NamedTuple, Protocol

from loadtest.scenario.dice import Dice
from loadtest.scenario.model import Arrival, Charging, Span
from loadtest.scenario.population import interleave
from loadtest.scenario.timeline import Timeline

type What = Literal["heartbeat", "start", "values", "stop", "arrival", "sequence", "cut"]

_LAST_STOP_S = (1.0, 6.0)
"""A transaction is stopped this long before its charge point leaves, so that the stop is answered."""
_LEAST_CHARGE_S = 1.0
_ROUND = 1_000


class Stream(Protocol):
    """Sends of one kind. `at` is the time of the next one, or infinity."""

    at: float

    def enter(self, begin: float, end: float) -> None:
        """Begin a time in which the charge point is connected."""

    def take(self) -> tuple[What, str]:
        """Return the kind and the action of the next send, and move `at` to the one after."""


class Mix(NamedTuple):
    """The arrivals of one group and pattern as one process, with their actions.

    `every_s` is the time between two arrivals of one charge point. All charge points share this value.
    """

    every_s: float
    actions: tuple[str, ...]
    rates: tuple[float, ...]

    def action(self, place: int) -> str:
        """Return the action of a place. A row of places has the right proportions."""
        return self.actions[interleave(self.rates, place)] if len(self.actions) > 1 else self.actions[0]


@cache
def mix_of(arrivals: tuple[Arrival, ...], charge_points: int) -> Mix:
    rates = tuple(arrival.per_second for arrival in arrivals)
    return Mix(charge_points / sum(rates), tuple(arrival.action for arrival in arrivals), rates)


class Beat:
    """Something at equal distances from a random phase on."""

    __slots__ = ("_count", "_period", "_phase", "_what", "at")

    def __init__(self, what: Literal["heartbeat", "cut"], period: float, dice: Dice) -> None:
        self._what: Literal["heartbeat", "cut"] = what
        self._period = period
        self._phase = dice.random() * period
        self._count = 0
        self.at = inf

    def enter(self, begin: float, end: float) -> None:
        del end
        self._count = ceil((begin - self._phase) / self._period)
        self.at = max(begin, self._phase + self._count * self._period)

    def take(self) -> tuple[What, str]:
        self._count += 1
        self.at = self._phase + self._count * self._period
        return self._what, ""


class Even:
    """Arrivals at equal distances of work time from a random phase on."""

    __slots__ = ("_count", "_first", "_mix", "_phase", "_timeline", "at")

    def __init__(self, mix: Mix, timeline: Timeline, dice: Dice) -> None:
        self._mix = mix
        self._timeline = timeline
        self._phase = dice.random() * mix.every_s
        self._first = dice.below(_ROUND)
        self._count = 0
        self.at = inf

    def enter(self, begin: float, end: float) -> None:
        del end
        self._count = ceil((self._timeline.work_at(begin) - self._phase) / self._mix.every_s)
        self.at = max(begin, self._next())

    def take(self) -> tuple[What, str]:
        action = self._mix.action(self._first + self._count)
        self._count += 1
        self.at = self._next()
        return "arrival", action

    def _next(self) -> float:
        return self._timeline.time_of_work(self._phase + self._count * self._mix.every_s)


class Poisson:
    """Arrivals of a Poisson process in work time, as of many users who know nothing of each other."""

    __slots__ = ("_count", "_dice", "_mix", "_timeline", "_work", "at")

    def __init__(self, mix: Mix, timeline: Timeline, dice: Dice) -> None:
        self._mix = mix
        self._timeline = timeline
        self._count = dice.below(_ROUND)
        self._dice = dice
        self._work = 0.0
        self.at = inf

    def enter(self, begin: float, end: float) -> None:
        del end
        self._work = self._timeline.work_at(begin)
        self._move()
        self.at = max(begin, self.at)

    def take(self) -> tuple[What, str]:
        self._count += 1
        self._move()
        return "arrival", self._mix.action(self._count)

    def _move(self) -> None:
        self._work += self._dice.exponential(self._mix.every_s)
        self.at = self._timeline.time_of_work(self._work)


class InSequence:
    """Calls in sequence. All calls of a stage have the time at which it begins for this charge point."""

    __slots__ = ("_begin", "_left", "_mix", "_place", "_sent", "_timeline", "at")

    def __init__(self, mix: Mix, timeline: Timeline, dice: Dice) -> None:
        self._mix = mix
        self._timeline = timeline
        self._sent = dice.below(_ROUND)
        self._begin = 0.0
        self._place = -1
        self._left = 0
        self.at = inf

    def enter(self, begin: float, end: float) -> None:
        del end
        self._begin = begin
        self._place = -1
        self._move()

    def take(self) -> tuple[What, str]:
        self._sent += 1
        self._left -= 1
        if not self._left:
            self._move()
        return "sequence", self._mix.action(self._sent)

    def _move(self) -> None:
        self.at = inf
        for place, (span, calls) in enumerate(self._timeline.sequences):
            if place > self._place and span.end > self._begin:
                self._place = place
                self._left = calls
                self.at = max(self._begin, span.begin)
                return


class Transactions:
    """Transactions one after the other, with meter values between start and stop."""

    __slots__ = ("_charging", "_dice", "_end", "_next", "_start", "_stop", "_values", "at")

    def __init__(self, charging: Charging, dice: Dice) -> None:
        self._charging = charging
        self._dice = dice
        self._end = self._start = self._stop = 0.0
        self._values = 0
        self._next: Literal["start", "values", "stop"] = "start"
        self.at = inf

    def enter(self, begin: float, end: float) -> None:
        self._end = end
        self._plan(begin + self._draw(self._charging.pause_s) * self._dice.random())

    def take(self) -> tuple[What, str]:
        taken = self._next
        if taken == "stop":
            self._plan(self._stop + self._draw(self._charging.pause_s))
            return taken, ""
        self._values = self._values + 1 if taken == "values" else 0
        at = self._start + (self._values + 1) * self._charging.values_s
        self._next = "values" if at < self._stop else "stop"
        self.at = min(at, self._stop)
        return taken, ""

    def _plan(self, start: float) -> None:
        """Plan a transaction that ends before the charge point leaves, or none if the time is too short."""
        charge_s = self._draw(self._charging.charge_s)
        last = self._end - self._draw(_LAST_STOP_S)
        self._next = "start"
        self._start = start
        self._stop = min(start + charge_s, last)
        self.at = start if start + _LEAST_CHARGE_S <= last else inf

    def _draw(self, span: Span) -> float:
        return self._dice.uniform(*span)
