"""How many charge points the machine would bear, by each of its limits, and what would lift the limit."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from gateway.config import LimitsConfig
from loadtest.run.dividing import FILES_MAX, FILES_RESERVE, count_ports
from tests.bench.scale.results import Results, Size

_BUSY: Final = 0.9
"""Share of all cores that may be busy. Above it, latencies grow without a bound."""
_FULL: Final = 0.9
"""Share of the memory that was free before the run."""
_PARTS: Final = ("gateways", "store", "generators")


class Limit(NamedTuple):
    what: str
    measured: str
    charge_points: int | None
    """None if more processes or addresses lift the limit at once."""
    lifted_by: str


def find_limits(results: Results) -> list[Limit]:
    """Return the limits, the lowest first. There must be a size."""
    sizes = sorted(results.sizes, key=lambda one: one.charge_points)
    cpu, memory = _slope(sizes, _cores), _slope(sizes, _kib)
    last = sizes[-1]
    by_cpu = last.charge_points + (_BUSY * results.cores - _cores(last)) / cpu
    by_memory = last.charge_points + (_FULL * results.available_kib - _kib(last)) / memory
    hard = [
        Limit(
            f"{_BUSY:.0%} of {results.cores} cores, for csms and generators together",
            f"{cpu * 1e6:.1f} us a second for one more charge point",
            round(by_cpu),
            "generators on a machine of their own; more cores for gateways",
        ),
        Limit(
            f"{_FULL:.0%} of {results.available_kib / 1024**2:.1f} GiB of free memory",
            f"{memory:.1f} KiB for one more charge point",
            round(by_memory),
            "generators on a machine of their own; more memory",
        ),
    ]
    return [
        *sorted(hard, key=lambda one: one.charge_points or 0),
        Limit(
            "connections of a gateway",
            f"{LimitsConfig().connections:,} each",
            None,
            "more gateways, or `limits.connections`",
        ),
        Limit(
            "open files of a generator",
            f"{FILES_MAX - FILES_RESERVE:,} charge points each",
            None,
            "more generators",
        ),
        Limit(
            "ports of a source address",
            f"{count_ports():,} each",
            None,
            "more addresses, which the load test chooses by itself",
        ),
    ]


def _slope(sizes: Sequence[Size], value: Callable[[Size], float]) -> float:
    """Return what one more charge point takes, from the smallest fleet to the largest."""
    first, last = sizes[0], sizes[-1]
    if first is last:
        return value(last) / last.charge_points
    return (value(last) - value(first)) / (last.charge_points - first.charge_points)


def _cores(size: Size) -> float:
    return sum(map(size.cores, _PARTS))


def _kib(size: Size) -> float:
    return sum(size.memory)
