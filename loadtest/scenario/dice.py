"""Random numbers that depend only on the seed, the charge point and what they are for.

An equal seed gives each charge point the same numbers, however many processes share the fleet, and whatever
the others draw. A generator of the standard library would take 2.5 KiB of each charge point.
"""

from binascii import crc32
from math import log

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15


class Dice:
    """A stream of numbers. It takes one integer of memory (SplitMix64)."""

    __slots__ = ("_state",)

    def __init__(self, seed: int, index: int, purpose: str) -> None:
        self._state = _mix(_mix(seed & _MASK) ^ _mix((index << 32 | crc32(purpose.encode())) & _MASK))

    def random(self) -> float:
        """Return a number from 0 to below 1."""
        self._state = (self._state + _STEP) & _MASK
        return (_mix(self._state) >> 11) / (1 << 53)

    def uniform(self, least: float, most: float) -> float:
        return least + (most - least) * self.random()

    def below(self, number: int) -> int:
        return int(self.random() * number)

    def exponential(self, mean: float) -> float:
        return -mean * log(1 - self.random())


def _mix(value: int) -> int:
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)
