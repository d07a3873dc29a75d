"""The clock of the server, as this process knows it from replies that carry the server's time.

Deadlines are kept on our monotonic clock, because somebody may set the clock of the server or of this
machine. The clock of the server is only our monotonic clock plus an offset. Each reply that carries the
server's time bounds the offset, so one reply shows that the server's clock was set.
"""

import math
from collections import deque
from time import monotonic, time
from typing import NamedTuple

STEP_MS = 500.0
"""A smaller correction is drift or a slow reply. A greater one means that somebody set the server's clock."""
_STEPS_KEPT = 64


class _Step(NamedTuple):
    """The server's clock was set between two of our monotonic times (ms), from the offset `before_ms`."""

    earliest: float
    latest: float
    before_ms: float


_BEGINNING = _Step(-math.inf, -math.inf, 0.0)


class ServerClock:
    """The server's Unix time in milliseconds is our monotonic time plus `offset_ms`."""

    def __init__(self) -> None:
        self.offset_ms = 0.0
        self._width_ms = math.inf
        """The bounds of the fastest reply so far were so far apart."""
        self._confirmed_at: float | None = None
        """Our monotonic time in ms at which the last reply showed the present offset."""
        self._steps: deque[_Step] = deque(maxlen=_STEPS_KEPT)

    def now_ms(self) -> int:
        return int(monotonic() * 1000 + self.offset_ms)

    def learn(self, server_ms: float, asked: float, answered: float) -> None:
        """Learn from a reply with the server's time. `asked` and `answered` are our monotonic seconds.

        The server wrote its time between `asked` and `answered`. If that agrees with the present offset, a
        slow reply changes nothing, because it knows less than a fast one did.
        """
        least, most = server_ms - answered * 1000, server_ms - asked * 1000 + 1
        confirmed_at, self._confirmed_at = self._confirmed_at, asked * 1000
        if confirmed_at is None or (least <= self.offset_ms <= most and most - least < self._width_ms):
            self.offset_ms, self._width_ms = (least + most) / 2, most - least
            return
        offset = min(max(self.offset_ms, least), most)
        if abs(offset - self.offset_ms) >= STEP_MS:
            self._steps.append(_Step(confirmed_at, answered * 1000, self.offset_ms))
        self.offset_ms = offset

    def learn_now(self, server_ms: float, asked: float) -> None:
        """Learn from a reply that has just come."""
        self.learn(server_ms, asked, monotonic())

    def offset_from_wall_s(self) -> float:
        """Return how far the server's clock is ahead of the clock of this machine."""
        return self.now_ms() / 1000 - time() if self._confirmed_at is not None else 0.0

    def seconds_since_step(self) -> float:
        """Return how long ago we learnt that the server's clock was set. Infinity means never."""
        return monotonic() - self._steps[-1].latest / 1000 if self._steps else math.inf

    def stepped_since_ms(self, server_ms: float) -> float:
        """Return by how much the server's clock was set since it showed `server_ms`.

        If it may have shown that time twice, the later time counts.
        """
        offset, until = self.offset_ms, monotonic() * 1000
        nearest, then = math.inf, offset
        for step in (*reversed(self._steps), _BEGINNING):
            at = server_ms - offset
            away = max(step.earliest - at, at - until, 0.0)
            if away < nearest:
                nearest, then = away, offset
            offset, until = step.before_ms, step.latest
        return self.offset_ms - then

    def left_ms(self, now_ms: float, set_ms: float, deadline_ms: float) -> float:
        """Return the time until a deadline that the server set at `set_ms`, if its clock shows `now_ms`.

        All three are times of the server's clock. The result is right if the clock was set in between, and is
        never longer than the deadline was at first.
        """
        left = deadline_ms - now_ms + self.stepped_since_ms(set_ms)
        return min(left, deadline_ms - set_ms)
