"""The same scenario with and without one of its groups, in turns, to see what the group costs the others."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from loadtest.measuring.histograms import Distribution
from loadtest.results import Results, What
from loadtest.scenario.model import Commands, Scenario
from loadtest.scenario.population import group_sizes


class BadGroup(ValueError):  # noqa: N818  it says what happened
    """The scenario cannot be run without this group; the text says what would be right."""


class Ratio(Struct, frozen=True):
    """Corrected latencies in seconds, without and with the group. `mean` and `p99` are with by without."""

    what: What
    name: str
    counts: tuple[int, int]
    means: tuple[float, float]
    p99s: tuple[float, float]

    @property
    def mean(self) -> float:
        return self.means[1] / self.means[0]

    @property
    def p99(self) -> float:
        return self.p99s[1] / self.p99s[0]


def leave_out(scenario: Scenario, group: str) -> Scenario:
    """Return a scenario in which the other groups are as large and do as much as before. Raises BadGroup."""
    sizes = group_sizes(scenario)
    if group not in sizes or len(sizes) < 2:
        raise BadGroup(
            f"--group {group}: the scenario must have this group and another one; its groups are "
            f"{', '.join(sizes)}"
        )
    others = scenario.fleet.charge_points - sizes[group]
    if not others:
        raise BadGroup(f"--group {group}: no charge points would be left; give a larger --scale")
    return replace(
        scenario,
        fleet=replace(scenario.fleet, charge_points=others),
        groups=tuple(one for one in scenario.groups if one.name != group),
        commands=tuple(_leave_out_of_commands(scenario.commands, group)),
    )


def _leave_out_of_commands(commands: Sequence[Commands], group: str) -> Iterable[Commands]:
    """Drop commands to the group alone. Commands to it and to others keep their rate."""
    for one in commands:
        groups = tuple(name for name in one.groups if name != group)
        if groups or not one.groups:
            yield replace(one, groups=groups)


def find_ratios(without: Sequence[Results], with_group: Sequence[Results]) -> list[Ratio]:
    """Compare everything that both sides measured, over all rounds."""
    sides = _add_up(without), _add_up(with_group)
    return [
        Ratio(
            what,
            name,
            (one.total, other.total),
            (one.mean, other.mean),
            (one.at(99), other.at(99)),
        )
        for (what, name), one in sorted(sides[0].items())
        if (other := sides[1].get((what, name))) is not None
    ]


def _add_up(runs: Sequence[Results]) -> dict[tuple[What, str], Distribution]:
    saved: defaultdict[tuple[What, str], list[str]] = defaultdict(list)
    for run in runs:
        for latency in run.latencies:
            if latency.clock == "corrected":
                saved[latency.what, latency.name].append(latency.hdr)
                if latency.what == "call":
                    saved["call", "all"].append(latency.hdr)
    return {key: Distribution.of_hdr(histograms) for key, histograms in saved.items()}


def show(ratios: Sequence[Ratio], group: str, console: Console) -> None:
    table = Table(title=f"Milliseconds without and with the group {group}, and the ratio of the two")
    table.add_column("what")
    for name in ("count", "mean", "", "ratio", "p99", "", "ratio"):
        table.add_column(name, justify="right")
    for one in ratios:
        table.add_row(
            f"{one.what} {one.name}",
            f"{one.counts[0]}/{one.counts[1]}",
            *(f"{one.means[0] * 1e3:.2f}", f"{one.means[1] * 1e3:.2f}", f"{one.mean:.3f}"),
            *(f"{one.p99s[0] * 1e3:.2f}", f"{one.p99s[1] * 1e3:.2f}", f"{one.p99:.3f}"),
        )
    console.print(table)
