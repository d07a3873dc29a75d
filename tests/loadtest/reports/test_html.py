import re
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from loadtest.reports import html
from loadtest.results import ActionReport, Found, HistoryReport
from tests.support.html_page import HOSTILE, Page
from tests.support.loadtest_results import SCENARIO, failing, results, small


@pytest.fixture(scope="module")
def passed() -> str:
    return html.render(results())


def test_the_page_asks_no_other_host_for_anything(passed: str) -> None:
    page = Page(passed)
    assert set(page.addresses) == {"data:,"}
    assert "@import" not in passed
    assert "url(" not in passed
    assert "fetch(" not in passed
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in passed
    assert re.findall(r"https?:[^\s\"']*", passed) == []


def test_the_page_is_whole_and_each_tag_is_closed(passed: str) -> None:
    page = Page(passed)
    assert page.open == []
    assert (page.tags["script"], page.tags["style"], page.tags["figure"]) == (1, 1, 7)


def test_the_verdict_comes_first(passed: str) -> None:
    words = " ".join(Page(passed).words).partition("as the system")[2]
    assert words.index("PASSED") < words.index("Thresholds") < words.index("Latency over time")
    assert "INCORRECT" in html.render(failing())


@pytest.mark.parametrize(("often", "red"), [(0.0, False), (None, True), (0.2, True)])
def test_a_lag_of_the_generator_is_red_only_if_it_counts(often: float | None, *, red: bool) -> None:
    made = results()
    slow = replace(made.generator[0], lag_p99_s=0.222, lag_often_s=often)
    page = html.render(replace(made, generator=[slow]))
    assert f"<td{' class="miss"' if red else ''}>222 ms</td>" in page


def test_a_narrow_screen_leaves_out_the_percentiles_that_would_write_over_their_neighbours(
    passed: str,
) -> None:
    kept = re.findall(r'<span class="x" style="left:[-0-9.]+%">([0-9.]+ %)</span>', passed)
    assert (kept[:2], "50 %" in kept) == (["0 %", "99 %"], False)
    assert re.search(r'<span class="x spare" style="left:[0-9.]+%">50 %</span>', passed)


@pytest.mark.parametrize(
    "heading",
    [
        "Latency over time",
        "Percentile spectrum",
        "By action",
        "By stage",
        "Connections and boots",
        "Handshakes a second",
        "Phases of getting connected",
        "Recovery from the storm at 15:30",
        "Calls a second",
        "Errors a second",
        "Correctness",
        "The generator",
        "The scenario",
        "How to read this page",
    ],
)
def test_the_page_has_each_part(passed: str, heading: str) -> None:
    assert f">{heading}</h" in passed


def test_texts_of_the_central_system_cannot_become_part_of_the_page() -> None:
    made = results(
        errors=Counter({HOSTILE: 1}),
        commands=Counter({HOSTILE: 1}),
        invalid=[HOSTILE],
        exit_code=3,
        violations=[Found("unknown_id", HOSTILE)],
        violation_counts=Counter(unknown_id=1),
        history=HistoryReport(left_out=HOSTILE),
        actions=[ActionReport(name=HOSTILE, at=1, seconds=1, exit_code=None, output=HOSTILE)],
        scenario=replace(SCENARIO, description=HOSTILE),
    )
    page = Page(html.render(made))
    assert page.tags["script"] == 1
    assert page.tags["img"] == 0
    assert page.handlers == []
    assert page.open == []


def test_a_run_without_any_measurement_has_a_page() -> None:
    page = Page(html.render(small([])))
    assert page.open == []
    assert page.tags["figure"] == 0
    assert "No call was answered." in "".join(page.words)


def test_values_are_readable_without_a_script(passed: str) -> None:
    assert passed.count('<rect class="hover"') == passed.count("</title></rect>") > 100


def test_the_certificate_table_is_in_the_page_only_if_the_scenario_wants_it(passed: str) -> None:
    assert "<td>0.39</td>" not in passed
    wanted = html.render(results(scenario=replace(SCENARIO, table="certificate")))
    assert wanted.count("<td>0.39</td>") == 1


def test_the_page_is_written_to_a_file(tmp_path: Path) -> None:
    html.write(small([]), tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
