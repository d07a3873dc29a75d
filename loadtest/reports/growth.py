"""The growth of the latency in a soak: the mean over time, beside those of its first and its last quarter."""

from collections.abc import Sequence

from loadtest.measuring.measures import Missing, ResultsSource
from loadtest.reports.columns import Column
from loadtest.reports.plots import WIDTH, Band, Hover, Line, Plot, draw, place, ticks
from loadtest.reports.scales import Linear, Times, name_latency, name_time
from loadtest.reports.words import duration, moment
from loadtest.results import Results
from loadtest.scenario.model import StageSpan


def soaks(results: Results, over_time: Sequence[Column]) -> list[Plot]:
    """Return a plot for each soak that was long enough to have a growth."""
    kinds = {stage.name: stage.kind for stage in results.scenario.stages}
    plots = []
    for span in results.stages:
        if kinds.get(span.name) == "soak":
            try:
                early, late = ResultsSource(results).quarters(span.name)
            except Missing:
                continue
            plots.append(growth(span, over_time, early.mean, late.mean))
    return plots


def growth(span: StageSpan, over_time: Sequence[Column], early_s: float, late_s: float) -> Plot:
    """Plot the mean latency in a soak. `early_s` and `late_s` are the means of its outer quarters."""
    inside = [one for one in over_time if span.begin <= one.middle <= span.end and one.mean is not None]
    times = Times(span.begin, span.end)
    scale = Linear(max([early_s, late_s, *(one.mean or 0.0 for one in inside)]))
    quarter = (span.end - span.begin) / 4
    means = [place(times.at(one.middle), scale.at(one.mean or 0.0)) for one in inside]
    of_quarters = [
        place(times.at(begin + quarter * n), scale.at(mean)) if n < 2 else None
        for begin, mean in ((span.begin, early_s), (span.end - quarter, late_s))
        for n in range(3)
    ]
    return Plot(
        title=f"Growth of the latency in {span.name}",
        note=(
            f"The mean latency was {duration(early_s)} in the first quarter and {duration(late_s)} in the "
            f"last: {late_s / early_s - 1:+.1%}. Growth shows a leak, or a store that fills up."
        ).replace("%", " %"),
        unit="latency",
        x_ticks=ticks(times, name_time),
        y_ticks=ticks(scale, name_latency),
        lines=[
            Line("mean", "main", draw(means)),
            Line("mean of the quarter", "second", draw(of_quarters)),
        ],
        hovers=[
            Hover(
                WIDTH * times.at(one.begin),
                WIDTH * (times.at(one.end) - times.at(one.begin)),
                f"{moment(one.begin)} to {moment(one.end)}\nmean: {duration(one.mean)}",
            )
            for one in inside
        ],
        bands=[
            Band(0.0, 25.0, "first quarter", shaded=True),
            Band(75.0, 25.0, "last quarter", shaded=True),
        ],
    )
