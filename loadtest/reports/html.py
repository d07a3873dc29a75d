"""The report as one page of HTML, which needs no other file and no other host.

Texts of the central system, such as errors, are in it. The template escapes every text.
"""

from collections.abc import Sequence
from math import log10
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from msgspec import Struct

from loadtest.measuring.generator import OFTEN, judged_lag_s
from loadtest.measuring.histograms import Distribution
from loadtest.reports import words
from loadtest.reports.certificate_table import in_seconds, lines
from loadtest.reports.checked import checks, describe_history
from loadtest.reports.columns import Column, columns
from loadtest.reports.figures import ALL, Figures, Row
from loadtest.reports.growth import soaks
from loadtest.reports.headline import bound_of, headline, name_of, value_of
from loadtest.reports.meanings import COUNTERS, describe_run, meaning_of
from loadtest.reports.plots import Look, Overview, Plot, recovery, spectrum
from loadtest.results import GeneratorReport, Results

_PLOTS = ("latency", "spectrum", "connections", "handshakes", "calls", "errors")
_MOST_STORMS = 6
_REACH = 97
"""Where the greatest value is, in percent of the width. The round end of a bar needs the rest."""
_MOST_ERRORS = 40
_FINE = 100_000
"""A storm is shorter than one column of the overview, so its plot has a column for each slice."""


class Reach(Struct, frozen=True):
    """Where the bar of a row of latencies is, in percent: from p50 to p99, and on to the maximum."""

    p50: float
    p99: float
    max: float


class Health(Struct, frozen=True, kw_only=True):
    """The worst of all processes in one stage."""

    stage: str
    cpu_share: float
    lag_p99_s: float
    lag_judged_s: float
    lag_max_s: float
    gc_pause_max_s: float
    memory_bytes: int
    files: int
    files_limit: int
    connections: int


def write(results: Results, path: Path) -> None:
    """Write the page. Raises OSError."""
    path.write_text(render(results), encoding="utf-8")


def render(results: Results) -> str:
    return render_page("page.html", _content(results))


def render_page(name: str, content: dict[str, Any]) -> str:
    """Return a page of this directory with its content."""
    environment = Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        loader=FileSystemLoader(Path(__file__).parent),
    )
    environment.filters |= {
        name: getattr(words, name)
        for name in ("date", "duration", "long_time", "moment", "number", "percent", "plural", "size")
    } | {"bound": bound_of, "in_seconds": in_seconds, "measured": value_of, "threshold": name_of}
    return environment.get_template(name).render(content)


def _content(results: Results) -> dict[str, Any]:
    figures, over_time = Figures(results), columns(results)
    calls = figures.rows("call")
    return {
        "title": f"Load test {results.scenario.name}",
        "described": describe_run(results),
        "meaning": meaning_of,
        "counters": COUNTERS,
        "results": results,
        "scenario": results.scenario,
        "headline": headline(results),
        "whole": calls[-1] if calls else None,
        "plots": _plots(results, figures, over_time),
        "growth": soaks(results, over_time) if over_time else [],
        "storms": _storms(results),
        "calls": calls,
        "service": {row.name: row for row in figures.rows("call", "service")},
        "reaches": _reaches(calls),
        "phases": figures.phases(),
        "commands": figures.rows("command"),
        "deliveries": figures.rows("delivery"),
        "stages": [(span, _stage_row(figures, span.name)) for span in results.stages],
        "checks": checks(results),
        "history": describe_history(results),
        "errors": results.errors.most_common(_MOST_ERRORS),
        "more_errors": max(0, len(results.errors) - _MOST_ERRORS),
        "health": _health(results.generator),
        "often": OFTEN,
        "certificate": lines(results) if results.scenario.table == "certificate" else [],
        "scenario_json": msgspec.json.format(msgspec.json.encode(results.scenario), indent=2).decode(),
        "all_calls": ALL,
    }


def _plots(results: Results, figures: Figures, over_time: Sequence[Column]) -> dict[str, Plot | None]:
    plots: dict[str, Plot | None] = dict.fromkeys(_PLOTS)
    if over_time:
        overview = Overview(results, over_time)
        plots |= {
            "latency": overview.latency(),
            "connections": overview.connections(),
            "calls": overview.calls(),
            "errors": overview.errors(),
            "handshakes": overview.handshakes(),
        }
    corrected = figures.distribution("call")
    if corrected is not None:
        service = figures.distribution("call", "service")
        compared: list[tuple[str, Look, Distribution]] = [("corrected", "main", corrected)]
        compared += [("service", "second", service)] if service is not None else []
        plots["spectrum"] = spectrum(
            compared,
            "Corrected against service latency, both scales logarithmic. Each nine takes the same width.",
        )
    return plots


def _storms(results: Results) -> list[Plot]:
    fine = columns(results, _FINE) if results.storms else []
    return [recovery(storm, fine, results.seconds) for storm in results.storms[:_MOST_STORMS] if fine]


def _stage_row(figures: Figures, stage: str) -> Row | None:
    return figures.row("call", stage=stage)


def _reaches(rows: Sequence[Row]) -> dict[str, Reach]:
    """Put rows on one logarithmic scale."""
    least = max(1e-6, min((row.p50 for row in rows), default=1e-6)) / 2
    span = log10(max(2.0, max((row.max for row in rows), default=1.0) / least))

    def place(value: float) -> float:
        return _REACH * max(0.0, log10(max(value, least) / least)) / span

    return {row.name: Reach(place(row.p50), place(row.p99), place(row.max)) for row in rows}


def _health(reports: Sequence[GeneratorReport]) -> list[Health]:
    by_stage: dict[str, list[GeneratorReport]] = {}
    for report in reports:
        by_stage.setdefault(report.stage, []).append(report)
    return [
        Health(
            stage=stage,
            cpu_share=max(one.cpu_share for one in ones),
            lag_p99_s=max(one.lag_p99_s for one in ones),
            lag_judged_s=max(map(judged_lag_s, ones)),
            lag_max_s=max(one.lag_max_s for one in ones),
            memory_bytes=sum(one.memory_bytes for one in ones),
            files=max(one.files for one in ones),
            gc_pause_max_s=max(one.gc_pause_max_s for one in ones),
            files_limit=min(one.files_limit for one in ones),
            connections=sum(one.connections for one in ones),
        )
        for stage, ones in by_stage.items()
    ]
