"""The performance table of an OCA certificate, with the measured times beside those of a certified system."""

from math import ceil, floor

from msgspec import Struct

from loadtest.reports.figures import Figures, Row
from loadtest.results import Results

REFERENCE_RESPONSE = (0.27, 0.39, 0.29)
REFERENCE_AUTHORIZE = (0.26, 0.28, 0.27)
"""Least, greatest and mean seconds, from the certificate of a central system."""
_EDGE_S = 0.01
"""Times of stages are exact to a millisecond or two."""
_MOVING = frozenset({"ramp", "step"})


class Line(Struct, frozen=True, kw_only=True):
    """One line of the table. `seconds` are the least, the greatest and the mean time."""

    what: str
    load: str
    number: int | None
    seconds: tuple[float, float, float]


def lines(results: Results) -> list[Line]:
    """Return the reference values and, for each stage in which the fleet stays as it is, the measured ones.

    The times are service latencies: from the send of a call until its answer, as a certificate states them.
    """
    figures = Figures(results)
    found: list[Line] = []
    for what, action, reference in (
        ("OCPP response time", None, REFERENCE_RESPONSE),
        ("Authorize", "Authorize", REFERENCE_AUTHORIZE),
    ):
        found.append(Line(what=what, load="reference", number=None, seconds=reference))
        for stage in results.scenario.stages:
            row = figures.row("call", "service", name=action, stage=stage.name)
            if stage.kind not in _MOVING and row is not None:
                found.append(
                    Line(
                        what=what,
                        load=_load(results, figures, stage.name),
                        number=row.count,
                        seconds=(row.min, row.max, row.mean),
                    )
                )
    return found


def in_seconds(seconds: float) -> str:
    """Return seconds with the digits of a certificate, and more if these would show nothing."""
    return f"{seconds:.2f}" if seconds >= 0.1 else f"{seconds:#.2g}" if seconds >= 0.01 else f"{seconds:.4f}"


def _load(results: Results, figures: Figures, stage: str) -> str:
    """Return the load in words: how many charge points, how many calls a second, and which."""
    span = next(span for span in results.stages if span.name == stage)
    charge_points = _charge_points(results, span.begin, span.end)
    rows = [
        row
        for name in sorted({one.name for one in results.latencies if one.what == "call"})
        if (row := figures.row("call", "service", name=name, stage=stage)) is not None
    ]
    total = sum(row.count for row in rows)
    words = f"{charge_points:,} charge point{'s' * (charge_points != 1)}"
    in_sequence = next(one.in_sequence for one in results.scenario.stages if one.name == stage)
    if in_sequence:
        words += f", {in_sequence:,} calls{' each' if charge_points > 1 else ''} in sequence"
    elif span.end > span.begin:
        words += f", {total / (span.end - span.begin):,.4g} calls/s"
    return f"{words}: {', '.join(_share(row, total) for row in sorted(rows, key=_rarest_last))}"


def _charge_points(results: Results, begin: float, end: float) -> int:
    """Return the greatest number that was connected in the slices that lie wholly in this time."""
    slices = results.slices
    first, last = ceil((begin - _EDGE_S) / slices.length), floor((end + _EDGE_S) / slices.length)
    return max(slices.connected[first : max(first + 1, last)], default=0)


def _share(row: Row, total: int) -> str:
    return f"{100 * row.count / total:.0f} % {row.name}"


def _rarest_last(row: Row) -> int:
    return -row.count
