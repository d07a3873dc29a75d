import re

import pytest
from msgspec.structs import replace

from loadtest.measuring.histograms import Distribution
from loadtest.reports.columns import columns
from loadtest.reports.plots import HEIGHT, WIDTH, Overview, Plot, recovery, spectrum
from tests.support.loadtest_results import RECOVERED_S, STORM_AT, histogram, results

RUN = results()
OVERVIEW = Overview(RUN, columns(RUN))


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path)]


def plots() -> list[Plot]:
    corrected = Distribution.of_hdr([histogram([0.001 * n for n in range(1, 1001)])])
    return [
        OVERVIEW.latency(),
        OVERVIEW.connections(),
        OVERVIEW.calls(),
        OVERVIEW.errors(),
        OVERVIEW.handshakes(),
        spectrum([("corrected", "main", corrected), ("service", "second", corrected)], "note"),
        recovery(RUN.storms[0], columns(RUN, 10_000), RUN.seconds),
    ]


@pytest.mark.parametrize("plot", plots(), ids=lambda plot: plot.title)
def test_all_lines_and_ticks_lie_in_the_plot(plot: Plot) -> None:
    for line in plot.lines:
        found = points(line.path)
        assert len(found) > 10
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in found)
    for tick in [*plot.x_ticks, *plot.y_ticks]:
        assert 0 <= tick.percent <= 100
    assert len(plot.hovers) > 10


def test_stages_storms_and_actions_are_marked_at_their_times() -> None:
    plot = OVERVIEW.latency()
    assert [(band.words, round(band.left, 1), round(band.width, 1)) for band in plot.bands] == [
        ("ramp", 0, 16.7),
        ("hold", 16.7, 33.3),
        ("storm", 50, 16.7),
        ("spike", 66.7, 16.7),
        ("after", 83.3, 16.7),
    ]
    assert [(mark.words, round(mark.percent, 1)) for mark in plot.marks] == [("storm", 51.7), ("deploy", 70)]


def test_a_line_is_interrupted_where_nothing_was_measured() -> None:
    some = list(columns(RUN))[:30]
    for n in (10, 11):
        some[n] = replace(some[n], p50=None, p99=None, max=None)
    some[20] = replace(some[20], p99=None)
    some[22] = replace(some[22], p99=None)
    of_p99 = next(line for line in Overview(RUN, some).latency().lines if line.words == "p99")
    assert of_p99.path.count("M") == 4
    assert of_p99.path.count("h") == 1  # The point between two gaps is a dash.


def test_a_higher_latency_is_drawn_higher_by_the_same_distance_for_each_power_of_ten() -> None:
    some = [
        replace(one, p50=value, p99=value, max=value)
        for one, value in zip(columns(RUN), (0.001, 0.01, 0.1, 1.0), strict=False)
    ]
    heights = [y for _, y in points(Overview(RUN, some).latency().lines[0].path)]
    assert heights == pytest.approx([HEIGHT, HEIGHT * 2 / 3, HEIGHT / 3, 0], abs=0.1)


def test_the_hover_words_have_the_values_of_their_column() -> None:
    first = OVERVIEW.connections().hovers[0]
    assert (
        first.words == f"0:00 to 0:10\nconnected: {RUN.slices.connected[1]}\naccepted: {RUN.slices.booted[1]}"
    )


def test_the_spectrum_shows_what_waiting_hides_from_the_service_latency() -> None:
    corrected = Distribution.of_hdr([histogram([0.01] * 990 + [2.0] * 10)])
    service = Distribution.of_hdr([histogram([0.01] * 1000)])
    plot = spectrum([("corrected", "main", corrected), ("service", "second", service)], "note")
    [last] = plot.hovers[-1:]
    assert last.words.split("\n")[1:] == ["corrected: 2.00 s", "service: 10.0 ms"]
    assert [(line.words, line.look) for line in plot.lines] == [("corrected", "main"), ("service", "second")]


def test_the_recovery_of_a_storm_begins_just_before_it_and_marks_its_end() -> None:
    plot = recovery(RUN.storms[0], columns(RUN, 10_000), RUN.seconds)
    marks = [(mark.words, round(mark.percent, 1)) for mark in plot.marks]
    assert marks == [("storm", 6.2), ("all back: 47.0 s", 64.4)]
    least = min(plot.hovers, key=lambda hover: float(hover.words.split("accepted: ")[1].removesuffix(" %")))
    assert least.words.startswith("+5 s\n")
    assert RUN.seconds > STORM_AT + RECOVERED_S
    places = [float(point.split()[0]) for point in plot.lines[0].path.strip("M").split("L")]
    assert len(places) == len(set(places))  # Nothing is drawn beyond the end of the plot.
    endless = recovery(replace(RUN.storms[0], recovered_s=None), columns(RUN, 10_000), RUN.seconds)
    assert [mark.words for mark in endless.marks] == ["storm"]
