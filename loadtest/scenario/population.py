"""Who the charge points of a fleet are. All answers depend on the number of a charge point alone.

So all processes and parts of a run agree about each charge point, however they share the fleet.
"""

from collections.abc import Sequence
from functools import cache
from itertools import count
from math import floor, gcd

from loadtest.scenario.model import Group, Scenario

_GOLDEN = 0.6180339887498949


def group_of(scenario: Scenario, index: int) -> Group:
    """Return the group of a charge point. The groups are interleaved in the proportion of their weights."""
    return scenario.groups[interleave(tuple(group.weight for group in scenario.groups), index)]


def group_sizes(scenario: Scenario) -> dict[str, int]:
    """Return the number of charge points of each group by its name."""
    left = scenario.fleet.charge_points
    weights = [group.weight for group in scenario.groups]
    sizes = {}
    for place, group in enumerate(scenario.groups):
        sizes[group.name] = taken = _taken(left, weights[place], sum(weights[place:]))
        left -= taken
    return sizes


def interleave(weights: Sequence[float], index: int) -> int:
    """Return which of the weights has this place, so that any row of places has the right proportions."""
    total = sum(weights)
    last = len(weights) - 1
    for place, weight in enumerate(weights):
        before = _taken(index, weight, total)
        if place == last or _taken(index + 1, weight, total) > before:
            return place
        index -= before
        total = sum(weights[place + 1 :])
    raise ValueError("there must be at least one weight")


def rank_of(scenario: Scenario, index: int) -> float:
    """Return the rank, above 0 and below 1, by which a charge point connects and leaves.

    The ranks of a fleet have equal distances. Neighbours in number are far apart in rank, so that each
    process and each group connects its charge points over the whole time of a ramp.
    """
    charge_points = scenario.fleet.charge_points
    return (index * _stride(charge_points) % charge_points + 0.5) / charge_points


def charge_point_id(scenario: Scenario, index: int) -> str:
    return f"{scenario.fleet.prefix}{index:06d}"


def id_tag_of(scenario: Scenario, index: int) -> str:
    id_tags = scenario.fleet.id_tags
    return id_tags[index % len(id_tags)]


def _taken(places: int, weight: float, total: float) -> int:
    """Return how many of the first places belong to one weight, if the others share the rest."""
    return places if weight == total else floor(places * (weight / total) + 0.5)


@cache
def _stride(charge_points: int) -> int:
    """Return a number without a common divisor, so that its multiples reach each rank once."""
    return next(
        stride for stride in count(max(1, round(charge_points * _GOLDEN))) if gcd(stride, charge_points) == 1
    )
