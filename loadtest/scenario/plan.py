"""What a run will do and need, before anything is sent."""

from collections.abc import Iterator
from ipaddress import ip_address
from math import ceil
from socket import getaddrinfo
from urllib.parse import urlsplit

from msgspec import Struct

from loadtest.scenario.expected import Expected, expect
from loadtest.scenario.model import Scenario
from loadtest.scenario.timeline import Timeline

KIB = 1024
MIB = KIB * KIB
PLAIN_BYTES = 9 * KIB
TLS_BYTES = 36 * KIB
PROCESS_BYTES = 42 * MIB
"""Memory of a charge point without and with TLS, and of a process with its part of what processes share.

Measured: 8 KiB without TLS, and with it 30 KiB in a hold and 40 KiB when 1,000 charge points have left.
"""
PROCESS_FILES = 15
"""Open files of a process that are not connections of charge points."""

CSMS_CONNECTIONS = 15_000
CSMS_HANDSHAKES_PER_SECOND = 300
"""What one gateway of csms allows without a setting."""


class Resources(Struct, frozen=True, kw_only=True):
    """What the machine gives to the run.

    `files` is the limit of open files of one process. One source address has `ports` ports for one target.
    """

    processes: int
    files: int
    ports: int
    source_addresses: int = 1


class PlannedStage(Struct, frozen=True, kw_only=True):
    """`connected` is the number at the end of the stage. `calls_per_second` is an average over the stage."""

    name: str
    kind: str
    begin: float
    seconds: float
    connected: int
    handshakes_per_second: float
    calls_per_second: float
    commands_per_second: float
    calls: dict[str, float]
    """The calls a second by action."""


class PlannedAction(Struct, frozen=True, kw_only=True):
    at: float
    name: str
    shell: str


class Plan(Struct, frozen=True, kw_only=True):
    """The numbers are of the charge points of this part of the run. The rates are the greatest of a stage.

    `processes` are those of the charge points.
    """

    name: str
    seconds: float
    charge_points: int
    connections: int
    tls: bool
    handshakes_per_second: float
    calls_per_second: float
    commands_per_second: float
    processes: int
    files_per_process: int
    ports_per_source_address: int
    memory_bytes: int
    stages: list[PlannedStage]
    actions: list[PlannedAction]
    short_of: list[str]
    """What this machine does not have enough of, and what would be enough."""
    target_needs: list[str]
    """Limits of the whole target that must be raised, if it is csms."""


def make_plan(scenario: Scenario, resources: Resources, charge_points: tuple[int, int] | None = None) -> Plan:
    """Plan the charge points from the first number to before the second, or without them the whole fleet."""
    first, end = charge_points or (0, scenario.fleet.charge_points)
    part = (end - first) / scenario.fleet.charge_points
    timeline = Timeline(scenario)
    stages = [
        _plan_stage(scenario, timeline, place, expected, part)
        for place, expected in enumerate(expect(scenario, timeline))
    ]
    connections = round(max(timeline.shares) * (end - first))
    handshakes = max(stage.handshakes_per_second for stage in stages)
    tls = (scenario.target.url or "").lower().startswith("wss:")
    files = ceil(connections / resources.processes) + PROCESS_FILES
    ports = ceil(connections / resources.source_addresses)
    # Commands have a process of their own, and one more process leads the others.
    processes = resources.processes + bool(scenario.commands) + 1
    return Plan(
        name=scenario.name,
        seconds=timeline.seconds,
        charge_points=end - first,
        connections=connections,
        tls=tls,
        handshakes_per_second=handshakes,
        calls_per_second=max(stage.calls_per_second for stage in stages),
        commands_per_second=max(stage.commands_per_second for stage in stages),
        processes=resources.processes,
        files_per_process=files,
        ports_per_source_address=ports,
        memory_bytes=processes * PROCESS_BYTES + connections * (TLS_BYTES if tls else PLAIN_BYTES),
        stages=stages,
        actions=sorted(
            (
                PlannedAction(at=timeline.time_of(action), name=action.name, shell=action.shell)
                for action in scenario.actions
            ),
            key=lambda action: action.at,
        ),
        short_of=list(_shortages(resources, connections, files, ports)),
        target_needs=list(_needs_of_target(connections / part, handshakes / part, ports)),
    )


def is_private(url: str) -> bool:
    """Return whether all addresses of the URL's host are loopback or private. An unknown host is not."""
    try:
        host = urlsplit(url).hostname or ""
        found = (
            {str(address[0]).partition("%")[0] for *_, address in getaddrinfo(host, None)} if host else set()
        )
    except (OSError, ValueError):
        return False
    return bool(found) and all(_is_private_address(address) for address in found)


def _is_private_address(text: str) -> bool:
    address = ip_address(text)
    return address.is_loopback or address.is_private or address.is_link_local


def _plan_stage(
    scenario: Scenario, timeline: Timeline, place: int, expected: Expected, part: float
) -> PlannedStage:
    stage = scenario.stages[place]
    calls = {action: number * part for action, number in expected.calls.items()}
    return PlannedStage(
        name=stage.name,
        kind=stage.kind,
        begin=timeline.spans[place].begin,
        seconds=stage.seconds,
        connected=round(timeline.shares[place + 1] * scenario.fleet.charge_points * part),
        handshakes_per_second=expected.handshakes_per_second * part,
        calls_per_second=sum(calls.values()),
        commands_per_second=expected.commands_per_second * part,
        calls=calls,
    )


def _shortages(resources: Resources, connections: int, files: int, ports: int) -> Iterator[str]:
    if files > resources.files:
        room = max(1, resources.files - PROCESS_FILES)
        yield (
            f"a process may open {resources.files:,} files; give --processes {ceil(connections / room)}, or "
            f"raise `ulimit -n` to {files:,}"
        )
    if ports > resources.ports:
        yield (
            f"a source address has {resources.ports:,} ports; give --source-addresses with "
            f"{ceil(connections / resources.ports)} addresses"
        )


def _needs_of_target(connections: float, handshakes: float, connections_per_address: int) -> Iterator[str]:
    if connections > CSMS_CONNECTIONS:
        yield (
            f"limits.connections of {connections:,.0f} or more (one gateway has {CSMS_CONNECTIONS:,} without "
            "a setting)"
        )
    if handshakes > CSMS_HANDSHAKES_PER_SECOND:
        yield (
            f"limits.handshakes_per_second of {handshakes:,.0f} or more (one gateway has "
            f"{CSMS_HANDSHAKES_PER_SECOND} without a setting, and refuses what it cannot serve within 5 s)"
        )
    if connections_per_address > 1:
        yield (
            "limits.connections_per_address of 0 (as without a setting), or of "
            f"{connections_per_address:,} or more"
        )
