"""Results of a load test that did not run, with latencies that one could have measured.

The run is half an hour of 2,000 charge points: a ramp, a hold, a storm of all of them and a spike.
"""

from collections import Counter
from copy import deepcopy
from functools import cache
from random import Random
from typing import Any

from hdrh.histogram import HdrHistogram
from msgspec.structs import replace

from loadtest.measuring.histograms import DIGITS, HIGHEST_US, LOWEST_US, SLICE_DIGITS
from loadtest.measuring.measures import describe
from loadtest.results import (
    ActionReport,
    Clock,
    Found,
    GeneratorReport,
    HistoryReport,
    Judged,
    Latency,
    Machine,
    Results,
    Slices,
    StormReport,
    What,
)
from loadtest.scenario.model import (
    Arrival,
    Charging,
    Commands,
    Fleet,
    Group,
    Reconnect,
    Scenario,
    ShellAction,
    Stage,
    StageSpan,
    Storm,
    Threshold,
)

SCENARIO = Scenario(
    name="city",
    description="A city of charge points in its rush hour, and a power cut in the middle of it.",
    fleet=Fleet(charge_points=2000),
    groups=(
        Group(name="street", weight=3, charging=Charging(), connectors=2),
        Group(
            name="depot",
            heartbeat_s=60,
            arrivals=(Arrival(action="Authorize", per_second=20),),
            reconnect=Reconnect(model="exponential", first_s=1, longest_s=60),
        ),
    ),
    stages=(
        Stage(name="ramp", kind="ramp", seconds=300, connected=1),
        Stage(name="hold", kind="hold", seconds=600),
        Stage(name="storm", kind="hold", seconds=300),
        Stage(name="spike", kind="spike", seconds=300, rate=4),
        Stage(name="after", kind="hold", seconds=300),
    ),
    storms=(Storm(stage="storm", after_s=30, within_s=1),),
    actions=(
        ShellAction(stage="spike", after_s=60, name="deploy", shell="kubectl rollout restart deploy/csms"),
    ),
    commands=(Commands(action="RemoteStartTransaction", per_second=2),),
    thresholds=(
        Threshold(measure="p99", most=1),
        Threshold(measure="p99", of="Authorize", stage="hold", most=0.5),
        Threshold(measure="error_share", most=0.001),
        Threshold(measure="recovery_s", most=120),
        Threshold(measure="connected_share", stage="hold", least=1),
    ),
)

SLICE_S = 5.0
STORM_AT, RECOVERED_S = 930.0, 47.0
_ACTIONS = {"Heartbeat": 3, "MeterValues": 10, "Authorize": 4, "StartTransaction": 1, "StopTransaction": 1}
_PHASES = {"tcp": 0.0004, "tls": 0.004, "upgrade": 0.006, "boot": 0.011, "service": 0.024, "back": 14.0}


def results(**changes: Any) -> Results:
    """Return results of a run that passed, with these changes."""
    return replace(deepcopy(_made()), **changes)


def slower(factor: float, **changes: Any) -> Results:
    """Return results of the same load, with all latencies multiplied by `factor`."""
    return replace(_make(factor), **changes)


def histogram(seconds: list[float], times: int = 1, digits: int = DIGITS) -> str:
    """Return an HdrHistogram as a run saves it, with each latency recorded so many times."""
    made = HdrHistogram(LOWEST_US, HIGHEST_US, digits)
    for each in seconds:
        made.record_value(max(1, round(each * 1e6)), times)
    return bytes(made.encode()).decode()


def latency(what: What, name: str, stage: str, clock: Clock, seconds: list[float], times: int = 1) -> Latency:
    return Latency(what=what, name=name, stage=stage, clock=clock, hdr=histogram(seconds, times))


def small(latencies: list[Latency], **changes: Any) -> Results:
    """Return results that hold only these latencies."""
    made = Results(
        release="0.1.0",
        scenario=SCENARIO,
        charge_points=(0, 2000),
        started_at="2026-11-29T19:00:00Z",
        latencies=latencies,
        slices=Slices(length=1.0),
    )
    return replace(made, **changes)


@cache
def _made() -> Results:
    return _make(1.0)


def _make(factor: float) -> Results:
    dice = Random(13)
    stages, begin = [], 0.0
    for stage in SCENARIO.stages:
        stages.append(StageSpan(stage.name, begin, begin + stage.seconds))
        begin += stage.seconds
    latencies = [
        latency(
            "call",
            action,
            stage.name,
            clock,
            [_draw(dice, stage.name, clock) * factor for _ in range(60 * weight)],
            24,
        )
        for action, weight in _ACTIONS.items()
        for stage in stages
        for clock in ("corrected", "service")
    ]
    latencies += [
        latency("phase", name, stage, "corrected", [dice.lognormvariate(0, 0.5) * median for _ in range(200)])
        for name, median in _PHASES.items()
        for stage in ("ramp", "storm")
    ]
    latencies.append(
        latency(
            "command",
            "RemoteStartTransaction",
            "hold",
            "corrected",
            [dice.lognormvariate(0, 0.4) * 0.02 for _ in range(500)],
        )
    )
    latencies.append(
        latency("delivery", "StopTransaction", "storm", "corrected", [dice.uniform(1, 40) for _ in range(90)])
    )
    slices = _slices(dice, stages, factor)
    return Results(
        release="0.1.0",
        scenario=SCENARIO,
        charge_points=(0, 2000),
        started_at="2026-11-29T19:00:00Z",
        seconds=begin,
        machines=[
            Machine(name="part 1", cpus=2, memory_bytes=8 << 30, python="3.13.5", kernel="6.1.0"),
        ],
        stages=stages,
        latencies=latencies,
        slices=slices,
        counts=Counter(
            calls=sum(slices.calls),
            errors=2232,
            late=41,
            offline=312,
            connections=4000,
            reconnects=2000,
            unanswered=2,
        ),
        stage_counts={"hold": Counter(calls=42_000, late=3), "storm": Counter(calls=20_000, late=38)},
        errors=Counter({"refused 503": 230, "connection lost 1006": 2000, "Authorize no answer": 2}),
        commands=Counter({"RemoteStartTransaction 200 Accepted": 498, "RemoteStartTransaction 504": 2}),
        storms=[
            StormReport(
                stage="storm",
                at=STORM_AT,
                how="reset",
                cut=2000,
                recovered_s=RECOVERED_S,
                handshakes_per_second=161,
            )
        ],
        actions=[
            ActionReport(
                name="deploy", at=1260, seconds=12.5, exit_code=0, output="deployment.apps/csms restarted\n"
            )
        ],
        generator=[
            GeneratorReport(
                process=process,
                stage=stage.name,
                cpu_share=dice.uniform(0.2, 0.55),
                lag_p99_s=dice.uniform(0.001, 0.009),
                lag_max_s=dice.uniform(0.01, 0.06),
                memory_bytes=int(dice.uniform(80, 120) * (1 << 20)),
                files=1040,
                gc_pause_max_s=dice.uniform(0.001, 0.02),
                files_limit=20_000,
                connections=1000,
            )
            for process in ("part 1.1", "part 1.2")
            for stage in stages
        ],
        history=HistoryReport(starts=812, stops=640, stored=812, retried=57, replayed=9),
        digest="5f0c2b9ad1e64c77",
        intended=sum(slices.calls) + 400,
        judged=[
            Judged(threshold=threshold, words=describe(threshold, value), value=value, passed=True)
            for threshold, value in zip(
                SCENARIO.thresholds, (0.412, 0.038, 0.00002, RECOVERED_S, 1.0), strict=True
            )
        ],
    )


def failing() -> Results:
    """Return results of a run that missed a threshold and broke a promise."""
    made = results(exit_code=4)
    made.judged[0] = replace(made.judged[0], value=1.4, passed=False)
    made.violations = [Found("wrong_charge_point", "LT000012 got the answer to 3a-17 of LT000058", 712.5)]
    made.violation_counts = Counter(wrong_charge_point=3)
    return made


def _draw(dice: Random, stage: str, clock: Clock) -> float:
    median = {"ramp": 0.006, "storm": 0.009, "spike": 0.014}.get(stage, 0.004)
    drawn = dice.lognormvariate(0, 0.55) * median
    if clock == "corrected" and stage in {"storm", "spike"} and dice.random() < 0.02:
        drawn += dice.uniform(0, 0.6)
    return drawn


def _slices(dice: Random, stages: list[StageSpan], factor: float) -> Slices:
    made = Slices(length=SLICE_S)
    at = 0.0
    for stage in stages:
        while at < stage.end:
            end = at + SLICE_S
            share = min(1.0, end / 300)
            if at >= STORM_AT:
                share = min(1.0, max(0.0, (end - STORM_AT - 3) / (RECOVERED_S - 3)))
            made.connected.append(round(2000 * share))
            made.booted.append(round(2000 * max(0.0, min(share, share * 1.02 - 0.015) if share < 1 else 1.0)))
            rate = 60 * share * (3.2 if stage.name == "spike" else 1) * dice.uniform(0.93, 1.07)
            made.calls.append(round(rate * SLICE_S))
            stormy = STORM_AT <= at < STORM_AT + RECOVERED_S
            made.errors.append(round(dice.uniform(5, 40)) if stormy else int(dice.random() < 0.02))
            rising = stage.name == "ramp" or stormy
            made.handshakes.append(round(dice.uniform(28, 44) * (5 if stormy else 1)) if rising else 0)
            drawn = [_draw(dice, stage.name, "corrected") * factor for _ in range(min(60, made.calls[-1]))]
            made.hdr.append(histogram(drawn, digits=SLICE_DIGITS))
            at = end
    return made
