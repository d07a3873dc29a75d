"""Rows of percentiles, from the histograms that the results of a run hold."""

from typing import get_args

from msgspec import Struct

from loadtest.measuring.histograms import Distribution
from loadtest.measuring.measures import ResultsSource
from loadtest.results import Clock, Phase, Results, What

ALL = "all calls"


class Row(Struct, frozen=True, kw_only=True):
    """Latencies in seconds. Their names are those of the measures of thresholds."""

    name: str
    count: int
    min: float
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    p999: float
    max: float


class Figures:
    def __init__(self, results: Results) -> None:
        self._results = results
        self._source = ResultsSource(results)

    def distribution(
        self, what: What, clock: Clock = "corrected", *, name: str | None = None, stage: str | None = None
    ) -> Distribution | None:
        """Add up the histograms of all names and stages that are not given. None if nothing was measured."""
        found = self._source.distribution(what, name, stage, clock)
        return found if found.total else None

    def row(
        self, what: What, clock: Clock = "corrected", *, name: str | None = None, stage: str | None = None
    ) -> Row | None:
        found = self.distribution(what, clock, name=name, stage=stage)
        return None if found is None else row_of(name or ALL, found)

    def rows(self, what: What, clock: Clock = "corrected") -> list[Row]:
        """Return a row for each name, and for calls a last one for all of them."""
        names: list[str | None] = [*sorted({one.name for one in self._results.latencies if one.what == what})]
        if what == "call" and len(names) > 1:
            names.append(None)
        return [row for name in names if (row := self.row(what, clock, name=name)) is not None]

    def phases(self) -> list[Row]:
        """Return rows of the phases in the order in which a charge point goes through them."""
        order = get_args(Phase.__value__)
        return sorted(self.rows("phase"), key=lambda row: order.index(row.name))


def row_of(name: str, found: Distribution) -> Row:
    return Row(
        name=name,
        count=found.total,
        min=found.least,
        mean=found.mean,
        p50=found.at(50),
        p90=found.at(90),
        p95=found.at(95),
        p99=found.at(99),
        p999=found.at(99.9),
        max=found.greatest,
    )
