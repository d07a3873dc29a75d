from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.console import Console

from loadtest.reports import json_file
from loadtest.reports.comparing import MEASURES, CannotCompare, compare, differences, parse, show
from loadtest.reports.json_file import BadResults
from loadtest.results import Results
from tests.support.loadtest_results import SCENARIO, results, slower


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    runs: dict[str, Results] = {
        "before": results(),
        "slower": slower(1.2),
        "much slower": slower(1.5),
        "without storm": results(storms=[]),
    }
    for name, run in runs.items():
        json_file.write(run, folder / f"{name}.json")
    (folder / "broken.json").write_text("{}")
    return {path.stem: path for path in folder.iterdir()}


def run(before: Sequence[Path], after: Sequence[Path], *conditions: str) -> tuple[int, str]:
    stream = StringIO()
    comparison = compare(before, after, conditions)
    show(comparison, Console(file=stream, width=120))
    return comparison.exit_code, stream.getvalue()


def test_a_run_that_is_20_percent_slower_fails_a_condition_of_10_percent(files: dict[str, Path]) -> None:
    code, shown = run([files["before"]], [files["slower"]], "p99>+10%")
    assert code == 99
    assert "✗ p99>+10% holds: " in shown
    assert shown.endswith("FAILED: The condition holds.\n")


HOLDS = {
    "p99>+25%": False,
    "p99<-5%": False,
    "p50 of Authorize in hold>+10%": True,
    "p99 of Authorize service > +15%": True,
    "mean>+1us": True,
    "mean>+1s": False,
    "max > 700ms": True,
    "max < 0.7s": False,
    "calls<1000": False,
    "late>40": True,
    "late>+0": False,
    "error_share>0.1%": False,
    "p99 of tls>+10%": False,
}


def test_a_condition_compares_what_it_says(files: dict[str, Path]) -> None:
    _, shown = run([files["before"]], [files["slower"]], *HOLDS)
    judged = dict(
        line.partition(": ")[0].split(" ", 1)[::-1] for line in shown.splitlines() if line[0] in "✗✓"
    )
    assert judged == {
        f"{condition} {'holds' if holds else 'does not hold'}": "✗" if holds else "✓"
        for condition, holds in HOLDS.items()
    }
    held = sum(HOLDS.values())
    assert shown.endswith(f"FAILED: {held} of the {len(HOLDS)} conditions hold.\n")


def test_equal_runs_fail_no_condition(files: dict[str, Path]) -> None:
    code, shown = run([files["before"]], [files["before"]], "p99>+0%", "p99<-0%", "errors>+0")
    assert code == 0
    assert shown.endswith("PASSED: None of the 3 conditions holds.\n")
    assert "+0" not in shown.replace("p99>+0%", "").replace("errors>+0", "")


def test_a_comparison_names_the_files_of_both_sides(files: dict[str, Path]) -> None:
    _, shown = run([files["before"]], [files["slower"], files["much slower"]])
    heads = [line.partition(" (")[0] for line in shown.splitlines() if line[:2] in {"A:", "B:"}]
    assert heads == ["A: before.json", "B: slower.json", "B: much slower.json"]


def test_the_value_of_several_runs_is_their_median_and_the_spread_is_shown(files: dict[str, Path]) -> None:
    after = [files["before"], files["much slower"], files["slower"]]
    assert run([files["before"]], after, "p99>+25%")[0] == 0
    code, shown = run([files["before"]], after, "p99>+15%")
    assert code == 99
    assert "(602 ms to 903 ms)" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("p99", "is not a condition; write it as 'p99>+10%'"),
        ("p98>+10%", "'p98' is not a measure; use one of mean, p50"),
        ("p99>5", "p99 is a time; add a unit, such as 20ms, or %"),
        ("p99>10%", "a percentage is a change; write its sign, as in +10%"),
        ("calls>5ms", "calls is not a time; leave out 'ms'"),
        ("p99>+5min", "unit 'min' is not known; use s, ms, us, % or none"),
    ],
)
def test_a_condition_that_cannot_be_used_says_what_would_be_right(
    files: dict[str, Path], condition: str, words: str
) -> None:
    with pytest.raises(CannotCompare) as raised:
        run([files["before"]], [files["slower"]], condition)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("p99 of Unlock>+10%", "p99 of Unlock in A: nothing was measured"),
        ("p99 in night>+10%", "p99 of all calls in night in A: stage night did not begin"),
        ("recovery_s>+10%", "recovery in B: there was no storm"),
    ],
)
def test_a_condition_on_something_that_a_side_did_not_measure_cannot_be_used(
    files: dict[str, Path], condition: str, words: str
) -> None:
    with pytest.raises(CannotCompare) as raised:
        run([files["before"]], [files["without storm"]], condition)
    assert words in str(raised.value)


def test_a_file_that_cannot_be_used_is_named(files: dict[str, Path]) -> None:
    with pytest.raises(BadResults, match=r"broken\.json: Object missing required field"):
        run([files["before"]], [files["broken"]], "p99>+10%")


def test_without_a_condition_nothing_is_judged(files: dict[str, Path]) -> None:
    code, shown = run([files["before"]], [files["much slower"]])
    assert code == 0
    assert shown.endswith("COMPARED: No condition was given with --fail-if, so nothing was judged.\n")


def test_differences_of_the_environment_are_shown(files: dict[str, Path], tmp_path: Path) -> None:
    made = results()
    other = replace(
        made,
        scale=2.0,
        machines=[replace(made.machines[0], name="another name", cpus=8)],
        scenario=replace(SCENARIO, seed=7, stages=SCENARIO.stages[:-1]),
    )
    assert [name for name, *_ in differences(made, other)] == [
        "machines[0].cpus",
        "scale",
        "scenario.seed",
        "scenario.stages[4]",
    ]
    json_file.write(other, tmp_path / "other.json")
    _, shown = run([files["before"]], [tmp_path / "other.json"])
    assert "The runs differ in machines[0].cpus: 2 and 8\n" in shown
    assert "The runs differ" not in run([files["before"]], [files["before"]])[1]


@given(
    st.sampled_from(["p50", "p99", "max"]),
    st.sampled_from(["", " of Authorize", " in hold", " of Heartbeat in hold service"]),
    st.sampled_from("<>"),
    st.sampled_from(["+", "-"]),
    st.integers(0, 500),
)
def test_a_condition_is_read_as_it_was_written(
    measure: str, words: str, sense: str, sign: str, percent: int
) -> None:
    found = parse(f"{measure}{words} {sense} {sign}{percent}%")
    assert (found.threshold.measure, found.sense, found.kind) == (measure, sense, "relative")
    assert found.bound == pytest.approx(percent / 100 * (1 if sign == "+" else -1))
    assert ((found.threshold.of is not None), (found.threshold.clock == "service")) == (
        " of " in words,
        "service" in words,
    )


@given(st.text(max_size=30) | st.text("p9> <+-%ms1 ofin", max_size=12))
def test_any_text_is_a_condition_or_is_refused_with_a_reason(words: str) -> None:
    assert reason(words) is None or "--fail-if" in str(reason(words))


def reason(words: str) -> str | None:
    try:
        return None if parse(words).threshold.measure in MEASURES else "no measure"
    except CannotCompare as error:
        return str(error)
