"""The plan of a run as text, for people who decide whether to start it."""

from collections.abc import Iterator
from textwrap import wrap

from loadtest.reports.headline import bounds_of, name_of
from loadtest.reports.words import long_time, moment, number, percent, plural, size
from loadtest.scenario.model import Scenario
from loadtest.scenario.plan import Plan
from loadtest.scenario.timeline import Timeline

_WIDTH = 110


def in_words(plan: Plan, scenario: Scenario) -> str:
    """Return the text. The scenario is the one of the plan, without secrets."""
    return "\n".join(
        [
            f"Plan of load test {plan.name}. Nothing was sent.",
            *wrap(" ".join(_printable(scenario.description).split()), _WIDTH),
            "",
            *_fleet(plan, scenario),
            "",
            "Stages (calls and commands a second are averages, handshakes a second are the greatest rate):",
            *_stages(plan),
            *_events(plan, scenario),
            *_thresholds(scenario),
            "",
            *_machine(plan),
            *_target(plan),
        ]
    )


def _fleet(plan: Plan, scenario: Scenario) -> Iterator[str]:
    url = scenario.target.url
    yield f"Target:        {'none yet; a run needs --url' if url is None else _printable(url)}"
    share = (
        ""
        if plan.charge_points == scenario.fleet.charge_points
        else f" of {scenario.fleet.charge_points:,}, as one part of the run"
    )
    tls = "with TLS" if plan.tls else "without TLS"
    processes = plural(plan.processes, "process", "processes")
    yield f"Charge points: {plan.charge_points:,}{share}, {tls}, in {processes}"
    yield f"Time:          {long_time(plan.seconds)}"
    checked = scenario.target.admin_url is not None and scenario.checks.history
    yield (
        "Correctness:   "
        + (
            "what was acknowledged is compared with what the admin API shows afterwards"
            if checked
            else "only answers are checked; without --admin-url, what is stored afterwards is not"
        )
    )


def _stages(plan: Plan) -> Iterator[str]:
    yield _row("stage", "kind", "begins", "lasts", "connected", "handshakes/s", "calls/s", "commands/s")
    for stage in plan.stages:
        yield _row(
            stage.name,
            stage.kind,
            moment(stage.begin),
            long_time(stage.seconds),
            f"{stage.connected:,}",
            _rate(stage.handshakes_per_second),
            _rate(stage.calls_per_second),
            _rate(stage.commands_per_second),
        )


def _events(plan: Plan, scenario: Scenario) -> Iterator[str]:
    if scenario.storms:
        yield from ("", "Storms:")
        timeline = Timeline(scenario)
        for storm in scenario.storms:
            within = f" within {long_time(storm.within_s)}" if storm.within_s else " at once"
            yield (
                f"  at {moment(timeline.time_of(storm))}, {percent(storm.share)} of the connections are lost"
                f"{within} ({storm.how})"
            )
    if scenario.commands:
        yield from ("", "Commands to random charge points, through the admin API of csms:")
        for command in scenario.commands:
            stages = ", ".join(command.stages) or "all stages but ramps"
            yield f"  {_rate(command.per_second)} {command.action} a second in {stages}"
    if plan.actions:
        yield from ("", "Shell actions, which run only with --allow-actions:")
        for action in plan.actions:
            yield f"  at {moment(action.at)}, {action.name}: {_printable(action.shell)}"


def _thresholds(scenario: Scenario) -> Iterator[str]:
    if scenario.thresholds:
        yield from ("", "The run fails with exit code 99 unless:")
    for threshold in scenario.thresholds:
        early = threshold.abort_after_s
        ends = "" if early is None else f"; the run ends early if this is missed for {long_time(early)}"
        yield f"  {name_of(threshold)} is {bounds_of(threshold).replace(', ', ' and ')}{ends}"


def _machine(plan: Plan) -> Iterator[str]:
    yield (
        f"This machine needs about {size(plan.memory_bytes)} of memory, {plan.files_per_process:,} open "
        f"files in each process, and {plural(plan.ports_per_source_address, 'port')} of each source address."
    )
    yield from (f"Not enough: {words}" for words in plan.short_of)


def _target(plan: Plan) -> Iterator[str]:
    if plan.target_needs:
        yield from ("", "If the target is csms, all of its gateways together need:")
        yield from (f"  {words}" for words in plan.target_needs)


def _rate(per_second: float) -> str:
    return number(round(per_second, 1 if per_second >= 1 else 2))


def _row(name: str, kind: str, *numbers: str) -> str:
    return f"{name:<16} {kind:<6}" + "".join(f" {each:>12}" for each in numbers)


def _printable(text: str) -> str:
    return "".join(part if part.isprintable() or part in " \n" else repr(part)[1:-1] for part in text)
