"""Exports plain counters as Prometheus metrics at each scrape, and measures the lag of the event loop."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

import trio
from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry


class Reading(NamedTuple):
    """The present value of a metric. The keys of a mapping are values of `label`, never charge point ids."""

    name: str
    help: str
    value: float | Mapping[str, float]
    kind: Literal["counter", "gauge"] = "counter"
    label: str = ""


class Readings(Collector):
    """Collector that calls `read` at a scrape and makes metric families of the result."""

    def __init__(self, read: Callable[[], Iterable[Reading]]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registration does not call `read` before the counted objects exist."""
        return ()

    def collect(self) -> Iterator[Metric]:
        for reading in self._read():
            family = CounterMetricFamily if reading.kind == "counter" else GaugeMetricFamily
            labelled = isinstance(reading.value, Mapping)
            metric = family(reading.name, reading.help, labels=[reading.label] if labelled else None)
            if isinstance(reading.value, Mapping):
                for label, value in reading.value.items():
                    metric.add_metric([label], value)
            else:
                metric.add_metric([], reading.value)
            yield metric


def new_registry(*sources: Callable[[], Iterable[Reading]]) -> CollectorRegistry:
    """Make a registry with these sources and the standard metrics of a Python process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    for source in sources:
        registry.register(Readings(source))
    return registry


def store_writable(value: bool) -> Reading:  # noqa: FBT001  the value of the metric
    """Make the metric that every process has, so that one alert is enough for all of them."""
    return Reading(
        "csms_store_writable",
        "1 while the store accepts writes of this process, otherwise 0. It is 0 while the store is away, and "
        "also while the store answers but refuses to write, for example because its memory is full. The "
        "bodies of /livez and /readyz say why.",
        value,
        "gauge",
    )


def store_available(value: bool) -> Reading:  # noqa: FBT001  the value of the metric
    """Make the metric that says whether the store is there. A process stays ready while it is away."""
    return Reading(
        "csms_store_available", "1 while this process can use the store, otherwise 0.", value, "gauge"
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
