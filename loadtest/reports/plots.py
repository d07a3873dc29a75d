"""Plots as geometry. The page draws them, and this module knows neither colours nor HTML.

A plot is `WIDTH` by `HEIGHT`, and is stretched to the place that it gets. Places of words are in percent, so
that the words themselves are not stretched.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal

from msgspec import Struct

from loadtest.measuring.histograms import Distribution
from loadtest.reports.columns import Column
from loadtest.reports.scales import (
    Linear,
    Log,
    Spectrum,
    Times,
    name_latency,
    name_percentile,
    name_time,
)
from loadtest.reports.words import duration, moment, number, percent, plural
from loadtest.results import Results, StormReport

WIDTH, HEIGHT = 1000, 300
_LEAST_S = 1e-5
_SPECTRUM_POINTS = 160
_BEFORE_STORM_S = 5.0
_LEAST_DASH = 6.0
_BY: Final = {"reset": "a TCP reset", "close": "a CLOSE frame", "freeze": "silence"}

type Look = Literal["main", "light", "extreme", "second", "bad"]
"""`main` is what the plot is about, `second` what it is compared with, `extreme` its outermost values."""
type _Scale = Linear | Log | Times | Spectrum
type _Point = tuple[float, float] | None
"""None interrupts a line."""


class Tick(Struct, frozen=True):
    percent: float
    words: str


class Band(Struct, frozen=True):
    """A stage. `shaded` alternates."""

    left: float
    width: float
    words: str
    shaded: bool


class Line(Struct, frozen=True):
    words: str
    look: Look
    path: str
    area: str | None = None


class Hover(Struct, frozen=True):
    """A part of the plot, and the values in it. The first line of `words` is their place."""

    x: float
    width: float
    words: str


class Mark(Struct, frozen=True):
    """A moment with a name, such as a storm."""

    percent: float
    words: str


class Plot(Struct, frozen=True, kw_only=True):
    title: str
    note: str
    unit: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    lines: list[Line]
    hovers: list[Hover]
    bands: list[Band] = []
    marks: list[Mark] = []


type _Value = Callable[[Column], float | None]


class Overview:
    """The plots whose horizontal axis is the time of the run."""

    def __init__(self, results: Results, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._times = Times(0.0, max(results.seconds, columns[-1].end))
        self._bands = [
            Band(
                100 * self._times.at(stage.begin),
                100 * (self._times.at(stage.end) - self._times.at(stage.begin)),
                stage.name,
                bool(n % 2),
            )
            for n, stage in enumerate(results.stages)
        ]
        self._marks = [
            *(Mark(100 * self._times.at(storm.at), "storm") for storm in results.storms),
            *(Mark(100 * self._times.at(action.at), action.name) for action in results.actions),
        ]

    def latency(self) -> Plot:
        values = [value for one in self._columns for value in (one.p50, one.max) if value is not None]
        return self._plot(
            "Latency over time",
            "Corrected: from the moment at which a call was due. The scale is logarithmic. In a gap, no call "
            "was answered.",
            "latency",
            scale=Log(max(_LEAST_S, min(values, default=1e-3)), max(_LEAST_S, *values, 1e-3)),
            name=name_latency,
            series=[
                ("max", "extreme", lambda one: one.max),
                ("p99", "main", lambda one: one.p99),
                ("p50", "light", lambda one: one.p50),
            ],
            show=duration,
        )

    def connections(self) -> Plot:
        return self._plot(
            "Connections and boots",
            "Connected charge points, and those whose boot was accepted.",
            "charge points",
            scale=Linear(max((one.connected for one in self._columns), default=0), whole=True),
            name=number,
            series=[
                ("connected", "main", lambda one: one.connected),
                ("accepted", "second", lambda one: one.booted),
            ],
            show=number,
            area=True,
        )

    def calls(self) -> Plot:
        return self._rate(
            "Calls a second", "Calls that were answered.", "calls/s", "main", lambda one: one.calls
        )

    def errors(self) -> Plot:
        return self._rate(
            "Errors a second",
            "CALLERRORs, calls without an answer, refused and lost connections.",
            "errors/s",
            "bad",
            lambda one: one.errors,
        )

    def handshakes(self) -> Plot:
        return self._rate(
            "Handshakes a second",
            "Websockets that were opened.",
            "handshakes/s",
            "main",
            lambda one: one.handshakes,
        )

    def _rate(self, title: str, note: str, unit: str, look: Look, value: Callable[[Column], float]) -> Plot:
        return self._plot(
            title,
            note,
            unit,
            scale=Linear(max(map(value, self._columns), default=0)),
            name=number,
            series=[(unit, look, value)],
            show=number,
            area=True,
        )

    def _plot(
        self,
        title: str,
        note: str,
        unit: str,
        *,
        scale: Linear | Log,
        name: Callable[[float], str],
        series: Sequence[tuple[str, Look, _Value]],
        show: Callable[[float | None], str],
        area: bool = False,
    ) -> Plot:
        lines: list[Line] = []
        for words, look, value in series:
            points = [self._point(one, value(one), scale) for one in self._columns]
            path = draw(points, dash=WIDTH / len(self._columns))
            lines.append(Line(words, look, path, _area(points) if area and not lines else None))
        hovers = [
            Hover(
                WIDTH * self._times.at(one.begin),
                WIDTH * (self._times.at(one.end) - self._times.at(one.begin)),
                "\n".join(
                    [
                        f"{moment(one.begin)} to {moment(one.end)}",
                        *(f"{words}: {show(value(one))}" for words, _, value in series),
                    ]
                ),
            )
            for one in self._columns
        ]
        return Plot(
            title=title,
            note=note,
            unit=unit,
            x_ticks=ticks(self._times, name_time),
            y_ticks=ticks(scale, name),
            lines=lines,
            hovers=hovers,
            bands=self._bands,
            marks=self._marks,
        )

    def _point(self, column: Column, value: float | None, scale: Linear | Log) -> _Point:
        return None if value is None else place(self._times.at(column.middle), scale.at(value))


def spectrum(compared: Sequence[tuple[str, Look, Distribution]], note: str) -> Plot:
    """Plot all percentiles of some distributions: how many calls took longer than what."""
    across = Spectrum(max(one.total for *_, one in compared))
    percentiles = [
        100 - 100 * 10 ** (-across.nines * n / _SPECTRUM_POINTS) for n in range(_SPECTRUM_POINTS + 1)
    ]
    values = {words: [one.at(each) for each in percentiles] for words, _, one in compared}
    every = [value for some in values.values() for value in some]
    up = Log(max(_LEAST_S, min(every)), max(_LEAST_S, *every))
    lines = []
    for words, look, _ in compared:
        places = [place(across.at(x), up.at(y)) for x, y in zip(percentiles, values[words], strict=True)]
        lines.append(Line(words, look, draw(places)))
    hovers = [
        Hover(
            WIDTH * (n - 0.5) / _SPECTRUM_POINTS,
            WIDTH / _SPECTRUM_POINTS,
            "\n".join(
                [
                    f"{_name_between(percentile)} of the calls took at most",
                    *(f"{words}: {duration(values[words][n])}" for words, _, _ in compared),
                ]
            ),
        )
        for n, percentile in enumerate(percentiles)
    ]
    return Plot(
        title="Percentile spectrum",
        note=note,
        unit="latency",
        x_ticks=ticks(across, name_percentile),
        y_ticks=ticks(up, name_latency),
        lines=lines,
        hovers=hovers,
    )


def recovery(storm: StormReport, fine: Sequence[Column], end: float) -> Plot:
    """Plot which share of the charge points was accepted, from just before the storm until after it."""
    recovered = storm.recovered_s
    until = min(end, storm.at + (60.0 if recovered is None else 1.4 * recovered + 10))
    begin = max(0.0, storm.at - _BEFORE_STORM_S)
    before = [one for one in fine if one.end <= storm.at + 1e-6] or list(fine[:1])
    whole = max(1, before[-1].booted)
    inside = [one for one in fine if begin - 1e-6 <= one.begin and one.end <= until + 1e-6]
    times, scale = Times(begin - storm.at, until - storm.at), Linear(1.0)
    after = [(one, one.end - storm.at) for one in inside]
    connected, accepted = (
        [place(times.at(x), scale.at(value / whole)) for value, (_, x) in zip(values, after, strict=True)]
        for values in ([one.connected for one in inside], [one.booted for one in inside])
    )
    lines = [
        Line("connected", "main", draw(connected), _area(connected)),
        Line("accepted", "second", draw(accepted)),
    ]
    marks = [Mark(100 * times.at(0.0), "storm")]
    if recovered is not None:
        marks.append(Mark(100 * times.at(recovered), f"all back: {duration(recovered)}"))
    hovers = [
        Hover(
            WIDTH * times.at(one.begin - storm.at),
            WIDTH * (times.at(x) - times.at(one.begin - storm.at)),
            "\n".join(
                [
                    f"{x:+.3g} s",
                    f"connected: {percent(one.connected / whole)}",
                    f"accepted: {percent(one.booted / whole)}",
                ]
            ),
        )
        for one, x in after
    ]
    lost = f"{plural(storm.cut, 'connection')} lost by {_BY.get(storm.how, storm.how)}"
    return Plot(
        title=f"Recovery from the storm at {moment(storm.at)}",
        note=f"{lost}, in stage {storm.stage}. The time counts from the storm. 100 % is what was accepted "
        "before it.",
        unit="share of before",
        x_ticks=[Tick(100 * times.at(x), f"{x:.3g} s") for x in times.ticks()],
        y_ticks=ticks(scale, percent),
        lines=lines,
        hovers=hovers,
        marks=marks,
    )


def ticks(scale: _Scale, name: Callable[[float], str]) -> list[Tick]:
    return [Tick(100 * scale.at(value), name(value)) for value in scale.ticks()]


def _name_between(percentile: float) -> str:
    """Name a percentile with as many digits as tell it from its neighbours."""
    rest = 100 - percentile
    digits = 1
    while rest < 10.0 ** (1 - digits) and digits < 6:
        digits += 1
    return f"{percentile:.{digits}f} %"


def place(x: float, y: float) -> tuple[float, float]:
    return WIDTH * x, HEIGHT * (1 - y)


def draw(points: Iterable[_Point], dash: float = _LEAST_DASH) -> str:
    """Draw a line. A point that stands alone becomes a dash that is as wide as its column."""
    dash = max(dash, _LEAST_DASH)
    return " ".join(
        f"M{run[0][0] - dash / 2:.1f} {run[0][1]:.1f}h{dash:.1f}"
        if len(run) == 1
        else "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in run)
        for run in _runs(points)
    )


def _area(points: Iterable[_Point]) -> str:
    return " ".join(
        f"M{run[0][0]:.1f} {HEIGHT}L"
        + "L".join(f"{x:.1f} {y:.1f}" for x, y in run)
        + f"L{run[-1][0]:.1f} {HEIGHT}z"
        for run in _runs(points)
    )


def _runs(points: Iterable[_Point]) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is not None:
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]
