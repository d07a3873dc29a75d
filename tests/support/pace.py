"""Speed is judged only where the slow tests run: elsewhere a busy machine would fail."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Give every wait a generous deadline of its own; this is about speed alone."""

    judged: bool

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        assert not self.judged or took < seconds, f"it took {took:.1f} s"
