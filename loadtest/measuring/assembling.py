"""Results of a process from what it measured, and of a run from the results of its parts."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from msgspec.structs import fields, replace

from loadtest.measuring.histograms import add, encode
from loadtest.measuring.recording import Recorder, StageRecord
from loadtest.measuring.slices import merge_slices
from loadtest.results import (
    Clock,
    Ended,
    Found,
    GeneratorReport,
    HistoryReport,
    Latency,
    Machine,
    Results,
    Slices,
    StormReport,
    What,
)
from loadtest.scenario.model import Scenario, StageSpan, Target

VIOLATIONS_MAX: Final = 200
FINDINGS_MAX: Final = 200
_TOGETHER_S: Final = 5.0
"""Greatest difference of the times at which parts began, because their clocks may differ."""
_WORST_FIRST: Final[tuple[Ended, ...]] = ("interrupted", "aborted", "completed")

type Combine = Callable[[Iterable[tuple[str, int]]], tuple[str, int]]
"""Makes one digest of the digests of all parts, each with its number of intended sends."""


class CannotMerge(Exception):  # noqa: N818  it says what happened
    """These results are not the parts of one run; the text says why, and what would be right."""


def assemble(
    recorder: Recorder,
    generator: Sequence[GeneratorReport],
    *,
    at: float,
    release: str,
    scenario: Scenario,
    scale: float,
    charge_points: tuple[int, int],
    started_at: str,
    machine: Machine,
    ended: Ended = "completed",
) -> Results:
    """End the measuring at a time of Trio's clock. The caller adds the rest later (history, storms, ...).

    The last stage ends after its time by the scenario. It also counts what charge points do afterwards, while
    they leave.
    """
    slices = recorder.finish(at).finish()
    counts: Counter[str] = Counter()
    for stage in recorder.stages:
        counts.update(stage.counts)
    return Results(
        release=release,
        scenario=scenario,
        scale=scale,
        charge_points=charge_points,
        started_at=started_at,
        seconds=at - recorder.begin,
        ended=ended,
        machines=[machine],
        stages=[_span_of(stage, recorder.begin, scenario) for stage in recorder.stages],
        latencies=[
            Latency(what=what, name=name, stage=stage.name, clock=clock, hdr=encode(buckets))
            for stage in recorder.stages
            for (what, name, clock), buckets in stage.histograms.items()
        ],
        slices=slices,
        counts=counts,
        stage_counts={stage.name: stage.counts for stage in recorder.stages if stage.counts},
        errors=recorder.errors,
        commands=recorder.commands,
        generator=list(generator),
    )


def _span_of(record: StageRecord, run_begin: float, scenario: Scenario) -> StageSpan:
    seconds = next(stage.seconds for stage in scenario.stages if stage.name == record.name)
    begin = record.begin - run_begin
    return StageSpan(record.name, begin, min(record.end - run_begin, begin + seconds))


def merge(parts: Sequence[Results], combine: Combine, *, whole: bool) -> Results:
    """Add up the results of parts of one run. The verdict is left to be given anew.

    With `whole`, no charge point of the scenario may be missing. Raises CannotMerge, BadHistogram.
    """
    parts = sorted(parts, key=lambda part: part.charge_points)
    _check_alike(parts)
    _check_ranges(parts, whole=whole)
    first, last = parts[0], parts[-1]
    machines = list({machine.name: machine for part in parts for machine in part.machines}.values())
    slices = merge_slices([part.slices for part in parts])
    digest, intended = combine((part.digest, part.intended) for part in parts)
    violations = sorted((found for part in parts for found in part.violations), key=_time_of)
    return Results(
        format=first.format,
        release=first.release,
        scenario=first.scenario,
        scale=first.scale,
        parts=len(machines),
        charge_points=(first.charge_points[0], last.charge_points[1]),
        started_at=first.started_at,
        seconds=max(part.seconds for part in parts),
        ended=min((part.ended for part in parts), key=_WORST_FIRST.index),
        machines=machines,
        stages=_merge_stages(parts),
        latencies=_merge_latencies(parts),
        slices=slices,
        counts=_sum(part.counts for part in parts),
        stage_counts={
            stage.name: counts
            for stage in first.scenario.stages
            if (counts := _sum(part.stage_counts.get(stage.name, Counter()) for part in parts))
        },
        errors=_sum(part.errors for part in parts),
        commands=_sum(part.commands for part in parts),
        violations=violations[:VIOLATIONS_MAX],
        violation_counts=_sum(part.violation_counts for part in parts),
        storms=_merge_storms(parts, slices),
        actions=sorted((action for part in parts for action in part.actions), key=lambda action: action.at),
        generator=[report for part in parts for report in part.generator],
        history=_merge_history([part.history for part in parts if part.history is not None]),
        digest=digest,
        intended=intended,
        invalid=list(dict.fromkeys(reason for part in parts for reason in part.invalid)),
    )


def _check_alike(parts: Sequence[Results]) -> None:
    if not parts:
        raise CannotMerge("there are no results to merge; give the results of all parts")
    first = parts[0]
    for part in parts[1:]:
        for name, one, other in (
            ("format", first.format, part.format),
            ("release of csms", first.release, part.release),
            ("scenario", first.scenario.name, part.scenario.name),
            ("seed", first.scenario.seed, part.scenario.seed),
            ("scale", first.scale, part.scale),
        ):
            if one != other:
                raise CannotMerge(
                    f"the parts differ in their {name}: {_name(first)} has {one}, {_name(part)} has {other}; "
                    "give results of one run"
                )
        differing = [
            field.name
            for field in fields(Scenario)
            if getattr(_comparable(first.scenario), field.name)
            != getattr(_comparable(part.scenario), field.name)
        ]
        if differing:
            raise CannotMerge(
                f"the scenarios of {_name(first)} and {_name(part)} differ in {', '.join(differing)}; run "
                "each part with the same scenario and options"
            )
        apart_s = abs((_read_time(part) - _read_time(first)).total_seconds())
        if apart_s > _TOGETHER_S:
            raise CannotMerge(
                f"the parts did not begin together: {_name(first)} at {first.started_at}, {_name(part)} at "
                f"{part.started_at}; give each part the same --start-at"
            )


def _comparable(scenario: Scenario) -> Scenario:
    """Leave out what may differ from machine to machine."""
    return replace(scenario, target=Target())


def _read_time(part: Results) -> datetime:
    try:
        at = datetime.fromisoformat(part.started_at)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise CannotMerge(
            f"{_name(part)} began at {part.started_at!r}, which is not an ISO 8601 time with a time zone; "
            "give results of a run that began"
        )
    return at


def _check_ranges(parts: Sequence[Results], *, whole: bool) -> None:
    for one, other in pairwise(parts):
        end, begin = one.charge_points[1], other.charge_points[0]
        if begin < end:
            raise CannotMerge(
                f"{_name(one)} and {_name(other)} have charge points in common; give each part once"
            )
        if begin > end:
            raise CannotMerge(f"a part is missing: nobody ran {_range(end, begin)}")
    first, last = parts[0].charge_points[0], parts[-1].charge_points[1]
    number = parts[0].scenario.fleet.charge_points
    if whole and first > 0:
        raise CannotMerge(f"a part is missing: nobody ran {_range(0, first)}")
    if whole and last < number:
        raise CannotMerge(f"a part is missing: nobody ran {_range(last, number)}")


def _name(part: Results) -> str:
    return f"the part of {_range(*part.charge_points)}"


def _range(first: int, end: int) -> str:
    return f"charge points {first} to {end - 1}"


def _merge_stages(parts: Sequence[Results]) -> list[StageSpan]:
    spans = []
    for stage in parts[0].scenario.stages:
        found = [span for part in parts for span in part.stages if span.name == stage.name]
        if found:
            begin, end = min(span.begin for span in found), max(span.end for span in found)
            spans.append(StageSpan(stage.name, begin, end))
    return spans


def _merge_latencies(parts: Sequence[Results]) -> list[Latency]:
    saved: dict[tuple[What, str, str, Clock], list[str]] = {}
    for part in parts:
        for latency in part.latencies:
            key = (latency.what, latency.name, latency.stage, latency.clock)
            saved.setdefault(key, []).append(latency.hdr)
    return [
        Latency(what=what, name=name, stage=stage, clock=clock, hdr=add(each))
        for (what, name, stage, clock), each in saved.items()
    ]


def _merge_storms(parts: Sequence[Results], slices: Slices) -> list[StormReport]:
    """Join the reports of the same storm. The whole has recovered when its last part has.

    The greatest number of handshakes in one second is that of the whole if slices are as short as one second.
    In longer runs it is the sum of the parts' greatest numbers, which the whole did not exceed.
    """
    reports: dict[tuple[str, int, str], list[StormReport]] = {}
    for part in parts:
        occurred: Counter[tuple[str, str]] = Counter()
        for report in part.storms:
            place = occurred[report.stage, report.how]
            occurred[report.stage, report.how] += 1
            reports.setdefault((report.stage, place, report.how), []).append(report)
    return sorted((_merge_storm(each, slices) for each in reports.values()), key=lambda storm: storm.at)


def _merge_storm(reports: Sequence[StormReport], slices: Slices) -> StormReport:
    at = min(report.at for report in reports)
    times = [report.recovered_s for report in reports if report.recovered_s is not None]
    recovered_s = max(times) if len(times) == len(reports) else None
    peak = sum(report.handshakes_per_second for report in reports)
    if len(reports) > 1 and slices.length <= 1:
        end = len(slices.handshakes) if recovered_s is None else int(at + recovered_s) + 1
        peak = min(peak, max(slices.handshakes[int(at) : end], default=peak))
    return StormReport(
        stage=reports[0].stage,
        at=at,
        how=reports[0].how,
        cut=sum(report.cut for report in reports),
        recovered_s=recovered_s,
        handshakes_per_second=peak,
    )


def _merge_history(reports: Sequence[HistoryReport]) -> HistoryReport | None:
    if not reports:
        return None
    numbers = {
        field.name: sum(getattr(report, field.name) for report in reports)
        for field in fields(HistoryReport)
        if field.type is int
    }
    words = {
        field.name: next(
            (found for report in reports if (found := getattr(report, field.name)) is not None), None
        )
        for field in fields(HistoryReport)
        if field.type == str | None
    }
    findings = tuple(finding for report in reports for finding in report.findings)
    return replace(HistoryReport(findings=findings[:FINDINGS_MAX]), **numbers, **words)


def _sum(counters: Iterable[Counter[str]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for counter in counters:
        total.update(counter)
    return total


def _time_of(found: Found) -> float:
    return found.at
