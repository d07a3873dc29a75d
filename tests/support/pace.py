"""Judges speed only where the slow tests run, because elsewhere a busy machine would fail a test."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """A judge of speed only. Every wait needs a generous deadline of its own."""

    judged: bool

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        assert not self.judged or took < seconds, f"it took {took:.1f} s"
