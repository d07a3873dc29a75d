"""Counts of this process, as plain integers that are cheap to increment and that a scrape reads."""

from bisect import bisect_left
from collections import Counter, defaultdict

from gateway.ocpp16.faults.table import FaultName

BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Latency:
    """A histogram of seconds.

    `counts` has one number for each bucket of BUCKETS_S, and a last number for longer times.
    """

    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_S) + 1)
        self.total_s = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.total_s += seconds


class Telemetry:
    """Counts of the whole process, without the ids of charge points. Faults are counted by name only."""

    def __init__(self) -> None:
        self.calls = defaultdict[str, Latency](Latency)
        self.refused_calls: Counter[str] = Counter()
        self.refused_handshakes: Counter[int] = Counter()
        self.refusals: Counter[str] = Counter()
        self.delayed_refusals = 0
        self.faults: Counter[FaultName] = Counter()
        self.commands: Counter[str] = Counter()
        self.flapping = 0

    def observe_call(self, action: str, seconds: float) -> None:
        self.calls[action].observe(seconds)
