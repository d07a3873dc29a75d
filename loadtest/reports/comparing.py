"""Two saved runs, or two groups of them, side by side, and conditions that make the comparison fail.

A condition is `MEASURE [of NAME] [in STAGE] [service] > CHANGE`, or with `<`. The measures are those of
thresholds. CHANGE is a change from the first run to the second, if it has a sign: `+10%`, `-5%`, `+20ms`,
`+3`. Without a sign it is a value of the second run: `1s`, `250ms`, `0`, `2%`.

    p99>+10%                          the p99 of all calls grew by more than 10 %
    p99 of Authorize in hold > 500ms  the p99 of Authorize in stage hold is above 0.5 s
    error_share > +0.1                the share of errors grew by more than 0.1
"""

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from math import inf
from pathlib import Path
from statistics import median
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table
from rich.text import Text

from loadtest.measuring.measures import LATENCIES, Missing, ResultsSource, value_of
from loadtest.measuring.verdict import EXIT_CODES
from loadtest.reports.headline import STYLES, Headline, name_of
from loadtest.reports.headline import show as show_value
from loadtest.reports.json_file import read
from loadtest.reports.words import date, number, plural
from loadtest.results import Results
from loadtest.scenario.model import Measure, Threshold

MEASURES: Final[tuple[Measure, ...]] = get_args(Measure.__value__)
_UNITS: Final = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "%": 0.01}
_CONDITION: Final = re.compile(
    r"\s*(?P<measure>\w+)(?:\s+of\s+(?P<of>[\w-]+))?(?:\s+in\s+(?P<stage>[\w-]+))?(?P<service>\s+service)?"
    r"\s*(?P<sense>[<>])\s*(?P<sign>[+-]?)(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>%|[a-z]*)\s*",
)
_SHOWN: Final[tuple[Measure, ...]] = (
    "p50",
    "p99",
    "p999",
    "max",
    "calls",
    "error_share",
    "late",
    "dropped",
    "recovery_s",
)
MOST_DIFFERENCES: Final = 20
_MOST_CHARACTERS: Final = 60


class CannotCompare(Exception):  # noqa: N818  it says what happened
    """A condition cannot be used or judged. The text says what was wrong, and what would be right."""


class Condition(Struct, frozen=True, kw_only=True):
    """`relative` changes are shares of the first value."""

    words: str
    threshold: Threshold
    sense: Literal["<", ">"]
    kind: Literal["value", "change", "relative"]
    bound: float

    def holds(self, before: float, after: float) -> bool:
        if self.kind == "value":
            found = after
        elif self.kind == "change":
            found = after - before
        else:
            found = change(before, after)
        return found > self.bound if self.sense == ">" else found < self.bound


class Side(Struct, frozen=True):
    """The runs of one side, and the names of their files. Their value is the median of their values."""

    name: str
    runs: Sequence[Results]
    sources: Sequence[ResultsSource]
    files: Sequence[str]


class Spread(Struct, frozen=True):
    """Values of one measure in the runs of one side."""

    middle: float
    least: float
    greatest: float
    number: int


class Compared(Struct, frozen=True):
    """One line of the table of both sides, in words."""

    name: str
    before: str
    after: str
    change: str


class Decided(Struct, frozen=True):
    condition: Condition
    words: str
    holds: bool


class Comparison(Struct, frozen=True, kw_only=True):
    before: Side
    after: Side
    differences: list[tuple[str, str, str]]
    """What else is different, since it may be the reason of a change."""
    rows: list[Compared]
    decided: list[Decided]

    @property
    def headline(self) -> Headline:
        held = sum(one.holds for one in self.decided)
        total = plural(len(self.decided), "condition")
        if not self.decided:
            return Headline(
                "COMPARED", "No condition was given with --fail-if, so nothing was judged.", good=None
            )
        if held:
            return Headline("FAILED", _describe_held(held, len(self.decided)), good=False)
        none = "The condition does not hold." if len(self.decided) == 1 else f"None of the {total} holds."
        return Headline("PASSED", none, good=True)

    @property
    def exit_code(self) -> int:
        return EXIT_CODES["threshold"] if any(one.holds for one in self.decided) else 0


def compare(before: Sequence[Path], after: Sequence[Path], conditions: Sequence[str]) -> Comparison:
    """Compare two sides of at least one saved run each. Raises CannotCompare, BadResults, BadHistogram."""
    asked = [parse(condition) for condition in conditions]
    sides = _read_side("A", before), _read_side("B", after)
    try:
        decided = [_decide(condition, *sides) for condition in asked]
    except Missing as error:
        raise CannotCompare(
            f"a condition cannot be judged: {error}; ask for something that both sides measured"
        ) from None
    return Comparison(
        before=sides[0],
        after=sides[1],
        differences=differences(sides[0].runs[0], sides[1].runs[0]),
        rows=list(_rows(*sides)),
        decided=decided,
    )


def show(comparison: Comparison, console: Console) -> None:
    """Print the comparison. The last line is the verdict in one sentence."""
    for side in (comparison.before, comparison.after):
        for file, run in zip(side.files, side.runs, strict=True):
            about = f"{run.scenario.name}, {date(run.started_at)}, csms {run.release}"
            console.print(Text(f"{side.name}: {file} ({about})"), soft_wrap=not console.is_terminal)
    _show_differences(console, comparison.differences)
    table = Table(title="Corrected latencies and counts", title_justify="left", title_style="bold")
    for place, name in enumerate(("measure", "A", "B", "change")):
        table.add_column(name, justify="left" if place == 0 else "right")
    for row in comparison.rows:
        table.add_row(Text(row.name), row.before, row.after, row.change)
    console.print(table)
    for one in comparison.decided:
        console.print(
            Text(f"{'✗' if one.holds else '✓'} {one.words}", style="red" if one.holds else ""),
            soft_wrap=not console.is_terminal,
        )
    verdict = comparison.headline
    console.print(
        Text.assemble((verdict.word, STYLES[verdict.good]), ": ", verdict.sentence),
        soft_wrap=not console.is_terminal,
    )


def parse(words: str) -> Condition:
    """Read a condition. Raises CannotCompare."""
    found = _CONDITION.fullmatch(words)
    if found is None:
        raise CannotCompare(
            f"--fail-if {words!r} is not a condition; "
            "write it as 'p99>+10%' or 'p99 of Authorize in hold > 500ms'"
        )
    measure = _find_measure(words, found["measure"])
    unit, sign = found["unit"], found["sign"]
    if unit not in _UNITS:
        raise CannotCompare(f"--fail-if {words!r}: unit {unit!r} is not known; use s, ms, us, % or none")
    is_time = measure in LATENCIES or measure == "recovery_s"
    if is_time and not unit:
        raise CannotCompare(f"--fail-if {words!r}: {measure} is a time; add a unit, such as 20ms, or %")
    if not is_time and unit not in {"", "%"}:
        raise CannotCompare(f"--fail-if {words!r}: {measure} is not a time; leave out {unit!r}")
    if unit == "%" and not sign and not measure.endswith("_share"):
        raise CannotCompare(f"--fail-if {words!r}: a percentage is a change; write its sign, as in +10%")
    bound = float(found["number"]) * _UNITS[unit] * (-1 if sign == "-" else 1)
    return Condition(
        words=words.strip(),
        threshold=Threshold(
            measure=measure,
            of=found["of"],
            stage=found["stage"],
            clock="service" if found["service"] else "corrected",
        ),
        sense=">" if found["sense"] == ">" else "<",
        kind="value" if not sign else "relative" if unit == "%" else "change",
        bound=bound,
    )


def change(before: float, after: float) -> float:
    """Return a change as a share of the first value. From 0, anything more is without bounds."""
    if before == after:
        return 0.0
    return (after - before) / before if before else inf


def spread(side: Side, threshold: Threshold) -> Spread:
    """Return the values of a measure on one side. Raises Missing."""
    values = []
    for source in side.sources:
        try:
            values.append(float(value_of(threshold, source)))
        except Missing as error:
            raise Missing(f"{name_of(threshold)} in {side.name}: {error}") from None
    return Spread(median(values), min(values), max(values), len(values))


def differences(before: Results, after: Results) -> list[tuple[str, str, str]]:
    """Return what else is different, as a name and both values, since it may be the reason of a change."""
    return list(_differing(_environment(before), _environment(after), ""))


def _environment(results: Results) -> dict[str, Any]:
    first, end = results.charge_points
    machines = [msgspec.to_builtins(machine) for machine in results.machines]
    for machine in machines:
        del machine["name"]
    scenario = msgspec.to_builtins(results.scenario)
    del scenario["thresholds"], scenario["description"]
    return {
        "release": results.release,
        "machines": machines,
        "scale": results.scale,
        "parts": results.parts,
        "charge points": end - first,
        "ended": results.ended,
        "valid": not results.invalid,
        "intended sends": results.digest,
        "scenario": scenario,
    }


def _differing(one: Any, other: Any, name: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in [*one, *(key for key in other if key not in one)]:
            yield from _differing(one.get(key), other.get(key), f"{name}.{key}" if name else str(key))
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
        for place, (left, right) in enumerate(zip_longest(one, other)):
            yield from _differing(left, right, f"{name}[{place}]")
    elif one != other:
        yield name, _short(one), _short(other)


def _short(value: Any) -> str:
    words = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return words if len(words) <= _MOST_CHARACTERS else f"{words[: _MOST_CHARACTERS - 3]}..."


def _read_side(name: str, paths: Sequence[Path]) -> Side:
    runs = [read(path) for path in paths]
    return Side(name, runs, [ResultsSource(run) for run in runs], [path.name for path in paths])


def _find_measure(words: str, name: str) -> Measure:
    for measure in MEASURES:
        if measure == name:
            return measure
    raise CannotCompare(f"--fail-if {words!r}: {name!r} is not a measure; use one of {', '.join(MEASURES)}")


def _show_differences(console: Console, found: Sequence[tuple[str, str, str]]) -> None:
    for name, one, other in found[:MOST_DIFFERENCES]:
        console.print(
            Text(f"The runs differ in {name}: {one} and {other}", style="yellow"),
            soft_wrap=not console.is_terminal,
        )
    if len(found) > MOST_DIFFERENCES:
        console.print(Text(f"and in {number(len(found) - MOST_DIFFERENCES)} other things", style="yellow"))


def _decide(condition: Condition, one: Side, other: Side) -> Decided:
    """Raises Missing."""
    before, after = (spread(side, condition.threshold).middle for side in (one, other))
    measure = condition.threshold.measure
    holds = condition.holds(before, after)
    words = (
        f"{condition.words} {'holds' if holds else 'does not hold'}: {show_value(measure, before)} in "
        f"{one.name}, {show_value(measure, after)} in {other.name} ({_describe_change(before, after)})"
    )
    return Decided(condition, words, holds)


def _rows(one: Side, other: Side) -> Iterator[Compared]:
    for threshold in _worth_showing(one, other):
        try:
            before, after = spread(one, threshold), spread(other, threshold)
        except Missing:
            continue
        yield Compared(
            name_of(threshold),
            _describe(threshold.measure, before),
            _describe(threshold.measure, after),
            _describe_change(before.middle, after.middle),
        )


def _worth_showing(one: Side, other: Side) -> Iterator[Threshold]:
    for measure in _SHOWN:
        yield Threshold(measure=measure)
    actions = [
        {latency.name for run in side.runs for latency in run.latencies if latency.what == "call"}
        for side in (one, other)
    ]
    for action in sorted(actions[0] & actions[1]):
        for measure in ("p50", "p99"):
            yield Threshold(measure=measure, of=action)


def _describe(measure: Measure, values: Spread) -> str:
    least, middle, greatest = (
        show_value(measure, value) for value in (values.least, values.middle, values.greatest)
    )
    return middle if values.number == 1 else f"{middle} ({least} to {greatest})"


def _describe_held(held: int, total: int) -> str:
    if total == 1:
        return "The condition holds."
    return f"{held} of the {total} conditions {'holds' if held == 1 else 'hold'}."


def _describe_change(before: float, after: float) -> str:
    if before == after:
        return "no change"
    found = change(before, after)
    return "from 0" if found == inf else f"{found:+.1%}".replace("%", " %")
