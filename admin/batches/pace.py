"""The pace of a batch: when its next command may be sent. Pure, with the time from outside."""

import math

CATCH_UP_S = 0.1
"""A command that comes late by up to this time does not delay those after it.

So short pauses of the process do not make the batch slower, and a long pause is not followed by a burst.
"""


class Pace:
    """Spreads commands evenly. In any `s` seconds it allows at most `(s + 0.1) * per_second + 1` of them."""

    def __init__(self, per_second: float) -> None:
        self._gap_s = 1 / per_second
        self._next_s = -math.inf

    def reserve(self, now_s: float) -> float:
        """Reserve a place for one command, and return the time at which it may be sent."""
        at_s = max(self._next_s, now_s - CATCH_UP_S) if math.isfinite(self._next_s) else now_s
        self._next_s = at_s + self._gap_s
        return at_s
