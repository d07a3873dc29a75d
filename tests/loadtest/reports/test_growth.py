import re

import pytest
from msgspec.structs import replace

from loadtest.reports.columns import columns
from loadtest.reports.growth import soaks
from loadtest.reports.plots import HEIGHT, WIDTH
from loadtest.results import Results, Slices
from loadtest.scenario.model import Scenario, Stage, StageSpan
from tests.support.loadtest_results import SCENARIO, histogram, small

SOAK: Scenario = replace(
    SCENARIO,
    stages=(
        Stage(name="ramp", kind="ramp", seconds=20, connected=1),
        Stage(name="night", kind="soak", seconds=80),
    ),
)


def soaked(means: list[float]) -> Results:
    """Return results of a soak of 80 s, with the mean latency of each second from the first one on."""
    return small(
        [],
        scenario=SOAK,
        stages=[StageSpan("ramp", 0, 20), StageSpan("night", 20, 100)],
        seconds=100.0,
        slices=Slices(length=1.0, hdr=[histogram([mean], digits=2) for mean in means]),
    )


def test_a_soak_that_slows_down_has_a_rising_line_and_its_growth_in_words() -> None:
    made = soaked([5.0] * 20 + [0.001 * (1 + n // 20) for n in range(80)])
    [plot] = soaks(made, columns(made))
    assert plot.title == "Growth of the latency in night"
    assert "first quarter and 4.0" in plot.note
    assert "in the last: +300" in plot.note
    mean, quarters = plot.lines
    places = [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", mean.path)]
    assert places[0][0] == pytest.approx(WIDTH / 160, abs=1)
    assert [y for _, y in places] == sorted((y for _, y in places), reverse=True)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)
    assert quarters.path.count("M") == 2
    assert plot.hovers[0].words.startswith("0:20 to 0:21\nmean: 1.0")


def test_a_soak_without_a_growth_has_no_plot() -> None:
    made = soaked([0.001] * 22)
    assert soaks(made, columns(made)) == []


def test_other_stages_have_no_plot_of_growth() -> None:
    made = replace(soaked([0.001] * 100), scenario=SCENARIO)
    assert soaks(made, columns(made)) == []
