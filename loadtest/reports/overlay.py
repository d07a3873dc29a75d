"""Two saved runs, or two groups of them, as one page: their latencies in the same plots.

Each run of the side before is a solid line, and each run of the side after is a dashed one.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from loadtest.measuring.histograms import Distribution
from loadtest.reports.columns import Column, columns
from loadtest.reports.comparing import MOST_DIFFERENCES, Comparison, Side
from loadtest.reports.html import render_page
from loadtest.reports.plots import WIDTH, Hover, Line, Look, Plot, draw, place, spectrum, ticks
from loadtest.reports.scales import Linear, Log, Times, name_latency, name_time
from loadtest.reports.words import duration, moment, number

_LOOKS: Final[tuple[Look, Look]] = ("main", "second")
_LEAST_S: Final = 1e-5


def write(comparison: Comparison, path: Path) -> None:
    """Write the page. Raises OSError."""
    path.write_text(render(comparison), encoding="utf-8")


def render(comparison: Comparison) -> str:
    sides = comparison.before, comparison.after
    return render_page(
        "comparing.html",
        {
            "title": "Comparison of load tests",
            "headline": comparison.headline,
            "comparison": comparison,
            "several": any(len(side.runs) > 1 for side in sides),
            "most_differences": MOST_DIFFERENCES,
            "plots": _plots(sides),
        },
    )


def _plots(sides: tuple[Side, Side]) -> list[Plot]:
    compared: list[tuple[str, Look, Distribution]] = []
    for side, look in zip(sides, _LOOKS, strict=True):
        whole = Distribution.of_hdr(
            latency.hdr
            for run in side.runs
            for latency in run.latencies
            if (latency.what, latency.clock) == ("call", "corrected")
        )
        if whole.total:
            compared.append((side.name, look, whole))
    plots = []
    if compared:
        words = "All calls of each side, corrected, both scales logarithmic. Each nine takes the same width."
        plots.append(spectrum(compared, words))
    lines = [
        (f"{side.name}{n if len(side.runs) > 1 else ''}", look, found)
        for side, look in zip(sides, _LOOKS, strict=True)
        for n, run in enumerate(side.runs, 1)
        if (found := columns(run))
    ]
    if lines:
        plots += [_latency(lines), _calls(lines)]
    return plots


type _Run = tuple[str, Look, list[Column]]


def _latency(runs: list[_Run]) -> Plot:
    values = [one.p99 for *_, found in runs for one in found if one.p99 is not None] or [1e-3]
    return _over_time(
        runs,
        "p99 over time",
        "What 99 of 100 calls kept within, corrected. The scale is logarithmic. In a gap, no call was "
        "answered.",
        scale=Log(max(_LEAST_S, min(values)), max(_LEAST_S, *values, 1e-3)),
        name=name_latency,
        value=lambda one: one.p99,
        show=duration,
    )


def _calls(runs: list[_Run]) -> Plot:
    return _over_time(
        runs,
        "Calls a second",
        "Calls that were answered. Latencies of different loads cannot be compared.",
        scale=Linear(max(one.calls for *_, found in runs for one in found)),
        name=number,
        value=lambda one: one.calls,
        show=number,
    )


def _over_time(
    runs: list[_Run],
    title: str,
    note: str,
    *,
    scale: Linear | Log,
    name: Callable[[float], str],
    value: Callable[[Column], float | None],
    show: Callable[[float | None], str],
) -> Plot:
    longest = max((found for *_, found in runs), key=lambda found: found[-1].end)
    times = Times(0.0, longest[-1].end)
    lines = [
        Line(
            words,
            look,
            draw(
                (
                    None if (y := value(one)) is None else place(times.at(one.middle), scale.at(y))
                    for one in found
                ),
                dash=WIDTH / len(longest),
            ),
        )
        for words, look, found in runs
    ]
    hovers = [
        Hover(
            WIDTH * times.at(here.begin),
            WIDTH * (times.at(here.end) - times.at(here.begin)),
            "\n".join(
                [
                    f"{moment(here.begin)} to {moment(here.end)}",
                    *(f"{words}: {show(_value_at(here.middle, found, value))}" for words, _, found in runs),
                ]
            ),
        )
        for here in longest
    ]
    return Plot(
        title=title,
        note=note,
        unit=title,
        x_ticks=ticks(times, name_time),
        y_ticks=ticks(scale, name),
        lines=lines,
        hovers=hovers,
    )


def _value_at(time: float, found: list[Column], value: Callable[[Column], float | None]) -> float | None:
    here = next((one for one in found if one.begin <= time < one.end), None)
    return None if here is None else value(here)
