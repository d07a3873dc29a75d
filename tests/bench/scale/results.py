"""What the runs found, and its file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from loadtest.measuring.measures import Missing, ResultsSource
from loadtest.reports.figures import Figures
from loadtest.reports.headline import headline
from loadtest.results import Results as LoadTest
from loadtest.results import Slices
from tests.bench.scale.readings import Cpu, Memory
from tests.bench.scale.scenario import How

BUILD: Final = Path(__file__).parents[3] / "build" / "scale"
SHARES: Final = (0.5, 0.99, 1.0)


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the load test saw in one stage. Latencies are corrected, in ms, or None without a call."""

    connected: int
    """The least number at the end of a second."""
    reconnects: int
    errors: dict[str, int]
    """Of the whole run."""
    calls: int
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    lag_p99_ms: float
    verdict: str
    invalid: list[str]
    findings: int
    """What is lost, stored twice or wrong."""


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """One fleet. `cpu` is that of the hold, and `empty` that of the same processes before the load."""

    charge_points: int
    gateways: int
    generators: int
    hold_s: float
    seen: Seen
    empty: Cpu
    cpu: Cpu
    memory: Memory
    """More than before the load. A generator is whole."""

    def us(self, name: str) -> float:
        """Return the microseconds of CPU that a charge point costs in a second, with the processes' own."""
        return self.cores(name) / self.charge_points * 1e6

    def cores(self, name: str) -> float:
        value: float = getattr(self.cpu, name)
        return value / self.cpu.at

    def empty_cores(self, name: str) -> float:
        value: float = getattr(self.empty, name)
        return value / self.empty.at

    def kib(self, name: str) -> float:
        value: float = getattr(self.memory, name)
        return value / self.charge_points


class Storm(msgspec.Struct, frozen=True, kw_only=True):
    charge_points: int
    gateways: int
    generators: int
    how: How
    cut: int
    """Charge points that were accepted before and were not when the fewest were."""
    back_s: dict[str, float | None]
    """By the share of those that were accepted before: the time until they were again."""
    handshakes_per_second: int
    """The greatest number."""
    cpu: Cpu
    """In the stage of the storm."""
    seen: Seen
    """In the stage after it, except `errors`."""


class Results(msgspec.Struct, kw_only=True):
    date: str
    machine: str
    command: str
    per_second: float
    """Charge points that connect in a second before a hold."""
    available_kib: int
    """Memory of the machine before the first run."""
    cores: int
    sizes: list[Size] = []
    storms: list[Storm] = []


def save(results: Results) -> None:
    (BUILD / "results.json").write_bytes(msgspec.json.format(msgspec.json.encode(results)))


def see(found: LoadTest, stage: str) -> Seen:
    source = ResultsSource(found)
    first, end = found.charge_points
    row = Figures(found).row("call", stage=stage)
    lag = max((one.lag_p99_s for one in found.generator if one.stage == stage), default=0.0)
    try:
        connected = round(source.connected_share(stage) * (end - first))
    except Missing:
        connected = 0
    return Seen(
        connected=connected,
        reconnects=source.count("reconnects", stage),
        errors=dict(found.errors),
        calls=row.count if row else 0,
        p50_ms=row.p50 * 1e3 if row else None,
        p99_ms=row.p99 * 1e3 if row else None,
        max_ms=row.max * 1e3 if row else None,
        lag_p99_ms=lag * 1e3,
        verdict=headline(found).word,
        invalid=found.invalid,
        findings=source.violations(),
    )


def find_times_back(slices: Slices, at: float, until: float) -> tuple[int, dict[str, float | None]]:
    """Return how many charge points a storm at that time cut, and when which share was accepted again.

    Counts from the storm to the end of the slice in which so many were accepted as before, and looks at the
    stage that lasts until `until`. A share that was not reached has None.
    """
    first, end = int(at / slices.length), int(until / slices.length)
    before, during = slices.booted[first - 1], slices.booted[first:end]
    fewest = min(range(len(during)), key=during.__getitem__)

    def back(share: float) -> float | None:
        for place in range(fewest, len(during)):
            if during[place] >= share * before:
                return (first + place + 1) * slices.length - at
        return None

    return before - during[fewest], {f"{share:.0%}": back(share) for share in SHARES}


def greatest_handshakes(slices: Slices, at: float, until: float) -> int:
    """Return the greatest number in a second, as an average of a slice."""
    found: Sequence[int] = slices.handshakes[int(at / slices.length) : int(until / slices.length)]
    return round(max(found, default=0) / slices.length)


def is_held(size: Size) -> bool:
    """Return whether all charge points stayed, nothing failed, and the p99 was below a second."""
    seen = size.seen
    return (
        size.seen.connected == size.charge_points
        and not seen.reconnects
        and not seen.errors
        and not seen.findings
        and seen.p99_ms is not None
        and seen.p99_ms < 1000
    )
