"""Judges speed only where the slow tests run, because elsewhere a test would fail on a busy machine."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Checks how long a block took, but does not interrupt it. So every wait in the block needs a generous
    deadline of its own.
    """

    judged: bool

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        assert not self.judged or took < seconds, f"it took {took:.1f} s"
