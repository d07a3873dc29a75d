"""Axes: from a value to a place between 0 and 1, and values worth a tick."""

from itertools import count
from math import ceil, floor, inf, log10

from loadtest.reports.words import duration, moment

_NICE = (1, 2, 5)
_ROOM = 0.06
"""Ticks that are nearer to each other than this share of the axis would write over each other."""


class Linear:
    """From 0 to a round number that is not below `greatest`."""

    def __init__(self, greatest: float, *, ticks: int = 4, whole: bool = False) -> None:
        self.step = _nice_step(greatest / ticks)
        if whole:
            self.step = max(1.0, self.step)
        self.top = self.step * max(1, ceil(greatest / self.step - 1e-9))

    def at(self, value: float) -> float:
        return min(1.0, max(0.0, value / self.top))

    def ticks(self) -> list[float]:
        return [self.step * n for n in range(round(self.top / self.step) + 1)]


class Log:
    """Positive numbers, in steps of 1, 2 and 5, from just below `least` to just above `greatest`."""

    def __init__(self, least: float, greatest: float) -> None:
        self.least, self.greatest = _round_down(least), _round_up(greatest)
        if self.greatest <= self.least:
            self.greatest = self.least * 10
        self._span = log10(self.greatest / self.least)

    def at(self, value: float) -> float:
        return min(1.0, max(0.0, log10(max(value, self.least) / self.least) / self._span))

    def ticks(self) -> list[float]:
        """Return powers of ten, both ends, and steps between them if there is room."""
        digits = _NICE if self._span <= 2 else (1,)
        ends = {self.least, self.greatest}
        tens = [value for value in _round_numbers(self.least, self.greatest) if _digit(value) in digits]
        free = [end for end in ends if all(abs(self.at(end) - self.at(value)) > _ROOM for value in tens)]
        return sorted([*tens, *free])


class Times:
    """Seconds from `begin` to `end`."""

    def __init__(self, begin: float, end: float) -> None:
        self.begin, self.end = begin, max(end, begin + 1e-3)

    def at(self, value: float) -> float:
        return min(1.0, max(0.0, (value - self.begin) / (self.end - self.begin)))

    def ticks(self) -> list[float]:
        step = next(
            (one for one in _steps_of_time() if (self.end - self.begin) / one <= 6.5),
            inf,
        )
        first = ceil(self.begin / step)
        return [step * n for n in range(first, floor(self.end / step + 1e-9) + 1)]


class Spectrum:
    """Percentiles, spread so that each further nine takes the same width: 0, 90, 99, 99.9 ..."""

    def __init__(self, samples: int) -> None:
        self.nines = min(7, max(2, ceil(log10(max(samples, 1)))))

    def at(self, percentile: float) -> float:
        rest = max(1 - percentile / 100, 10.0**-self.nines)
        return -log10(rest) / self.nines

    def ticks(self) -> list[float]:
        return [0.0, 50.0, *(100 - 10.0 ** (2 - n) for n in range(1, self.nines))]


def name_time(seconds: float) -> str:
    return moment(seconds)


def name_latency(seconds: float) -> str:
    """Return a tick of a latency without digits that say nothing: `10 ms`."""
    number, _, unit = duration(seconds).partition(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"


def name_percentile(percentile: float) -> str:
    return f"{percentile:.7g} %"


def _steps_of_time() -> list[float]:
    small = [float(step * power) for power in (0.1, 1) for step in _NICE]
    return [
        *small,
        10,
        15,
        30,
        60,
        120,
        300,
        600,
        900,
        1800,
        3600,
        7200,
        14_400,
        21_600,
        43_200,
        86_400,
        432_000,
    ]


def _nice_step(step: float) -> float:
    if step <= 0:
        return 1.0
    power = 10.0 ** floor(log10(step))
    return next(nice * power for nice in (*_NICE, 10) if nice * power >= step * (1 - 1e-9))


def _round_numbers(least: float, greatest: float) -> list[float]:
    found: list[float] = []
    for exponent in count(floor(log10(least) + 1e-9)):
        for digit in _NICE:
            value = digit * 10.0**exponent
            if value > greatest * (1 + 1e-9):
                return found
            if value >= least * (1 - 1e-9):
                found.append(value)
    return found


def _digit(value: float) -> int:
    return round(value / 10.0 ** floor(log10(value) + 1e-9))


def _round_down(value: float) -> float:
    power = 10.0 ** floor(log10(value) + 1e-9)
    return max(nice for nice in _NICE if nice * power <= value * (1 + 1e-9)) * power


def _round_up(value: float) -> float:
    power = 10.0 ** floor(log10(value) + 1e-9)
    return min(nice for nice in (*_NICE, 10) if nice * power >= value * (1 - 1e-9)) * power
