from pathlib import Path

import pytest

from tests.bench.check import recorded
from tests.bench.check.recorded import Compared, Recorded, Unmatched


def of(**ratios: float) -> Recorded:
    return Recorded(date="2026-11-30", commit="0123abcd", python="3.13.0", machine="x86_64", ratios=ratios)


@pytest.mark.parametrize(
    ("now", "verdict"),
    [(1.0, "same"), (1.149, "same"), (1.151, "dearer"), (0.851, "same"), (0.849, "cheaper")],
)
def test_a_part_that_changes_by_more_than_15_percent_is_dearer_or_cheaper(now: float, verdict: str) -> None:
    [compared] = recorded.compare(of(frames=2.0), {"frames": 2 * now})
    assert compared.verdict == verdict


def test_only_the_parts_of_a_run_are_compared() -> None:
    assert recorded.compare(of(frames=2.0, stop=3.0), {"stop": 3.3}) == [Compared("stop", 3.0, 3.3)]


def test_a_part_without_a_recorded_ratio_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(Unmatched, match="No ratio is recorded for the part stop") as raised:
        recorded.match(of(frames=2.0), ["frames", "stop"])
    assert recorded.AGAIN in str(raised.value)


def test_a_recorded_ratio_without_a_part_is_an_error() -> None:
    with pytest.raises(Unmatched, match="A ratio is recorded for stop, which is not a part"):
        recorded.match(of(frames=2.0, stop=1.0), ["frames"])


def test_parts_and_ratios_that_belong_together_are_no_error() -> None:
    recorded.match(of(frames=2.0, stop=1.0), ["stop", "frames"])


def test_the_table_shows_both_ratios_and_marks_what_changed() -> None:
    table = recorded.make_table(
        [Compared("frames", 2.0, 2.4), Compared("stop", 20.0, 20.1), Compared("start", 10.0, 5.0)],
        {"frames": "frames of a client", "stop": "StopTransaction", "start": "StartTransaction"},
    )
    head, frames, stop, start = table.splitlines()
    assert head.split() == ["part", "was", "now", "now/was"]
    assert frames.split()[:5] == ["frames", "2.000", "2.400", "1.200", "DEARER"]
    assert stop.split() == ["stop", "20.000", "20.100", "1.005", "StopTransaction"]
    assert start.split()[:5] == ["start", "10.000", "5.000", "0.500", "CHEAPER"]


def test_the_conclusion_names_the_parts_that_became_dearer_and_cheaper() -> None:
    dearer, cheaper = recorded.conclude(
        [Compared("frames", 2.0, 2.4), Compared("stop", 20.0, 20.1), Compared("start", 10.0, 5.0)]
    ).splitlines()
    assert dearer.startswith("More than 15% dearer: frames.")
    assert cheaper.startswith("More than 15% cheaper: start. Record the new ratios")
    assert recorded.conclude([Compared("stop", 20.0, 20.1)]) == "No part changed by more than 15%."


@pytest.mark.parametrize(
    ("python", "machine", "texts"),
    [
        ("3.13.9", "x86_64", 0),
        ("3.14.0", "x86_64", 1),
        ("3.13.0", "aarch64", 1),
        ("3.14.0", "aarch64", 2),
    ],
)
def test_another_minor_version_of_python_or_another_machine_makes_the_comparison_inexact(
    python: str, machine: str, texts: int
) -> None:
    found = list(recorded.explain_differences(of(frames=1.0), python=python, machine=machine))
    assert len(found) == texts
    assert all(text.startswith("The comparison is not exact") for text in found)


def test_what_was_saved_is_loaded_again(tmp_path: Path) -> None:
    made = recorded.make({"frames": 0.123456})
    recorded.save(made, tmp_path / "recorded.json")
    assert recorded.load(tmp_path / "recorded.json") == made
    assert made.ratios == {"frames": 0.1235}
    assert made.commit


@pytest.mark.parametrize(("text", "why"), [(None, "Nothing is recorded"), ("{", "cannot be read")])
def test_a_file_that_is_missing_or_broken_is_an_error_that_says_what_to_do(
    tmp_path: Path, text: str | None, why: str
) -> None:
    file = tmp_path / "recorded.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(Unmatched, match=why) as raised:
        recorded.load(file)
    assert recorded.AGAIN in str(raised.value)
