"""Counts of this process, as plain integers that are cheap to increment and that a scrape reads."""

from collections import Counter, defaultdict
from typing import Literal

from gateway.ocpp16.faults.table import FaultName
from state.histogram import Histogram

COMMAND_BOUNDS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Charge points answer commands within milliseconds, or after minutes."""


type LeaseChange = Literal["new", "replaced", "taken_over", "lost", "superseded"]


class Telemetry:
    """Counts of the whole process, without the ids of charge points. Faults are counted by name only."""

    def __init__(self) -> None:
        self.calls = defaultdict[str, Histogram](Histogram)
        self.refused_calls: Counter[str] = Counter()
        self.accepted = 0
        self.refusals: Counter[str] = Counter()
        self.delayed_refusals = 0
        self.faults: Counter[FaultName] = Counter()
        self.commands: Counter[str] = Counter()
        self.answered_commands = defaultdict[str, Histogram](lambda: Histogram(COMMAND_BOUNDS_S))
        self.leases: Counter[LeaseChange] = Counter()

    def observe_call(self, action: str, seconds: float) -> None:
        self.calls[action].observe(seconds)

    def observe_command(self, action: str, seconds: float) -> None:
        self.answered_commands[action].observe(seconds)
