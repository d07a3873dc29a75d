from pathlib import Path

import pytest

from loadtest.reports import json_file, overlay
from loadtest.reports.comparing import compare
from tests.support.html_page import HOSTILE, Page
from tests.support.loadtest_results import results, slower, small


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name, run in {
        "one": results(),
        "other": slower(1.5, release=HOSTILE),
        "third": slower(1.2),
        "empty": small([]),
    }.items():
        json_file.write(run, folder / f"{name}.json")
    return folder


def test_both_sides_are_in_each_plot_and_each_tag_is_closed(folder: Path) -> None:
    text = overlay.render(compare([folder / "one.json"], [folder / "third.json"], ["p99>+10%"]))
    page = Page(text)
    assert page.open == []
    assert page.tags["figure"] == 3
    assert text.count("</svg>A</li>") == text.count("</svg>B</li>") == 3
    words = " ".join(" ".join(page.words).split())
    assert "✗ FAILED" in words
    assert "A : one.json (" in words
    assert "✗ p99>+10% holds: " in words
    assert "p99 of all calls" in words


def test_several_runs_of_a_side_are_lines_of_their_own(folder: Path) -> None:
    before = [folder / "one.json", folder / "third.json"]
    text = overlay.render(compare(before, [folder / "other.json"], []))
    assert "</svg>A1</li>" in text
    assert "</svg>A2</li>" in text
    assert "the median of its runs" in text


def test_the_page_asks_no_other_host_and_shows_hostile_texts_as_text(folder: Path) -> None:
    page = Page(overlay.render(compare([folder / "one.json"], [folder / "other.json"], [])))
    assert set(page.addresses) == {"data:,"}
    assert (page.tags["script"], page.tags["img"], page.open) == (1, 0, [])


def test_runs_without_any_measurement_have_a_page(folder: Path, tmp_path: Path) -> None:
    overlay.write(compare([folder / "empty.json"], [folder / "empty.json"], []), tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert page.open == []
    assert page.tags["figure"] == 0
    assert "No call was answered on either side." in page.words
