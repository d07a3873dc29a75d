"""Compare a charge point's composite schedule (GetCompositeSchedule) with our computed schedule."""

from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Final, NamedTuple

from gateway.ocpp16.charging.composite import Composite
from gateway.ocpp16.messages.types import ChargingSchedule

SHORTEST: Final = 2
"""Shortest difference that is returned, in seconds.

Shorter differences arise when the borders of periods are rounded.
"""
TOLERANCE: Final = Decimal("0.1")
"""Two limits that differ by no more than this count as equal, because the conversion of units is inexact."""
DIFFERENCES_MAX: Final = 256
"""Greatest number of differences that are returned."""


class Difference(NamedTuple):
    """A difference of the two limits, which lasts from second `start` to second `end`.

    A limit of None means that there is no limit.
    """

    start: int
    end: int
    ours: Decimal | None
    theirs: Decimal | None


def compare(ours: Composite, theirs: ChargingSchedule | None) -> tuple[Difference, ...]:
    """Return the differences between two schedules that have the same unit and the same start.

    Where csms knows no limit, the charge point reports the limit of its hardware, which is not a difference.
    """
    mine = [
        (period.start, None if period.rate is None else period.rate.limit)
        for period in ours.periods
        if period.start < ours.duration
    ]
    told = [] if theirs is None else _steps(theirs, ours.duration)
    borders = sorted({start for start, _ in mine + told} | {ours.duration})
    found: list[Difference] = []
    for start, end in pairwise(borders):
        one = Difference(start, end, _at(mine, start), _at(told, start))
        if one.ours is None or (one.theirs is not None and abs(one.ours - one.theirs) <= TOLERANCE):
            continue
        if found and found[-1].end == start and found[-1][2:] == one[2:]:
            found[-1] = found[-1]._replace(end=end)
        else:
            found.append(one)
    return tuple(one for one in found if one.end - one.start >= SHORTEST)[:DIFFERENCES_MAX]


def _steps(schedule: ChargingSchedule, until: int) -> list[tuple[int, Decimal | None]]:
    periods = sorted(schedule.charging_schedule_period, key=lambda period: period.start_period)
    steps: list[tuple[int, Decimal | None]] = [
        (period.start_period, Decimal(str(period.limit)))
        for period in periods
        if 0 <= period.start_period < until
    ]
    if schedule.duration is not None and schedule.duration < until:
        steps = [step for step in steps if step[0] < schedule.duration]
        steps.append((max(0, schedule.duration), None))
    return steps


def _at(steps: Sequence[tuple[int, Decimal | None]], second: int) -> Decimal | None:
    index = bisect_right(steps, second, key=lambda step: step[0]) - 1
    return steps[index][1] if index >= 0 else None
