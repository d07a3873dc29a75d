"""Exports plain counters as Prometheus metrics at each scrape, and measures the lag of the event loop."""

import platform
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Literal, NamedTuple, Protocol

import trio
from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry


class Buckets(Protocol):
    """Counts of seconds by buckets: one for each of `bounds`, and a last one for longer times."""

    @property
    def bounds(self) -> Sequence[float]: ...
    @property
    def counts(self) -> Sequence[int]: ...
    @property
    def total_s(self) -> float: ...


type Value = float | Buckets
type Labels = str | tuple[str, ...]

_FAMILIES = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}


class Reading(NamedTuple):
    """The present value of a metric, or its values by `label`, never by the id of a charge point.

    A key is a text, or with several labels a tuple of as many texts. A histogram has Buckets as values. While
    the value is None, the metric is absent.
    """

    name: str
    help: str
    value: Value | Mapping[Any, Value] | None
    kind: Literal["counter", "gauge", "histogram"] = "counter"
    label: Labels = ""


class Readings(Collector):
    """Collector that calls `read` at a scrape and makes metric families of the result."""

    def __init__(self, read: Callable[[], Iterable[Reading]]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registration does not call `read` before the counted objects exist."""
        return ()

    def collect(self) -> Iterator[Metric]:
        for reading in self._read():
            labels = (reading.label,) if isinstance(reading.label, str) else reading.label
            labelled = isinstance(reading.value, Mapping)
            family = _FAMILIES[reading.kind](reading.name, reading.help, labels=labels if labelled else None)
            if isinstance(reading.value, Mapping):
                for key, value in reading.value.items():
                    _add(family, (key,) if isinstance(key, str) else key, value)
            elif reading.value is not None:
                _add(family, (), reading.value)
            yield family


def _add(
    family: CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily,
    labels: tuple[str, ...],
    value: Value,
) -> None:
    if isinstance(family, HistogramMetricFamily):
        assert not isinstance(value, float | int)  # noqa: S101  The kind of the reading says so.
        bounds = (*map(str, value.bounds), "+Inf")
        family.add_metric(labels, list(zip(bounds, accumulate(value.counts), strict=True)), value.total_s)
    else:
        assert isinstance(value, float | int)  # noqa: S101  The kind of the reading says so.
        family.add_metric(labels, value)


def new_registry(*sources: Callable[[], Iterable[Reading]]) -> CollectorRegistry:
    """Make a registry with these sources and the standard metrics of a Python process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    for source in sources:
        registry.register(Readings(source))
    return registry


def build(release: str, store_format: int) -> Iterator[Reading]:
    """Make the metric that says which release this process runs."""
    yield Reading(
        "csms_build_info",
        "1, with the release of this process, the newest form of the store that it can read, and its Python.",
        {(release, str(store_format), platform.python_version()): 1},
        "gauge",
        ("version", "format", "python"),
    )


class LoopLag:
    """Delay with which the event loop runs a due task.

    If this delay exceeds a few milliseconds, charge points have to wait for their answers.
    """

    def __init__(self, *, every_s: float = 0.1, kept: int = 600) -> None:
        self.beats = 0
        self._every_s = every_s
        self._recent: deque[float] = deque(maxlen=kept)

    async def watch(self) -> None:
        """Measure until cancelled."""
        while True:
            due = trio.current_time() + self._every_s
            await trio.sleep_until(due)
            self._recent.append(trio.current_time() - due)
            self.beats += 1

    def quantiles(self) -> dict[str, float]:
        """Return seconds of lag by quantile, over the last minute by default."""
        recent = sorted(self._recent) or [0.0]
        return {"p50": recent[len(recent) // 2], "p99": recent[len(recent) * 99 // 100], "max": recent[-1]}

    def readings(self) -> Iterator[Reading]:
        yield Reading(
            "csms_event_loop_lag_seconds",
            "How many seconds late the event loop ran a timer, over the last minute: p50, p99 and max.",
            self.quantiles(),
            "gauge",
            "quantile",
        )
        yield Reading(
            "csms_event_loop_beats",
            "Number of times that the event loop ran the timer that measures its lag.",
            self.beats,
        )
