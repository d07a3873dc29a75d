from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from loadtest.scenario.model import Fleet, Group, Scenario, Stage
from loadtest.scenario.population import (
    charge_point_id,
    group_of,
    group_sizes,
    id_tag_of,
    interleave,
    rank_of,
)

WEIGHTS = st.lists(st.floats(min_value=0.01, max_value=1000), min_size=1, max_size=5)


def scenario(charge_points: int, weights: list[float], id_tags: tuple[str, ...] = ("DEMO",)) -> Scenario:
    return Scenario(
        name="test",
        fleet=Fleet(charge_points=charge_points, prefix="LT-", id_tags=id_tags),
        groups=tuple(Group(name=f"g{number}", weight=weight) for number, weight in enumerate(weights)),
        stages=(Stage(name="connect", kind="ramp", seconds=10.0, connected=1.0),),
    )


@given(st.integers(1, 300), WEIGHTS)
def test_the_sizes_of_the_groups_are_those_of_the_charge_points_that_belong_to_them(
    charge_points: int, weights: list[float]
) -> None:
    fleet = scenario(charge_points, weights)
    found = Counter(group_of(fleet, index).name for index in range(charge_points))
    sizes = group_sizes(fleet)
    assert {name: size for name, size in sizes.items() if size} == found
    assert list(sizes) == [group.name for group in fleet.groups]
    for group in fleet.groups:
        assert abs(sizes[group.name] - charge_points * group.weight / sum(weights)) <= len(weights)


def test_one_in_ten_charge_points_belongs_to_a_group_with_a_tenth_of_the_weight() -> None:
    fleet = scenario(20_000, [9.0, 1.0])
    assert group_sizes(fleet) == {"g0": 18_000, "g1": 2_000}
    for first in (0, 137, 19_900):
        names = Counter(group_of(fleet, index).name for index in range(first, first + 100))
        assert names == {"g0": 90, "g1": 10}


@given(WEIGHTS, st.integers(0, 10_000), st.integers(0, 200))
def test_any_row_of_places_has_the_proportions_of_the_weights(
    weights: list[float], first: int, length: int
) -> None:
    found = Counter(interleave(weights, place) for place in range(first, first + length))
    for number, weight in enumerate(weights):
        assert abs(found[number] - length * weight / sum(weights)) <= 2 * len(weights)


@given(st.integers(1, 500))
def test_the_ranks_of_a_fleet_have_equal_distances(charge_points: int) -> None:
    fleet = scenario(charge_points, [1.0])
    ranks = sorted(round(rank_of(fleet, index) * charge_points - 0.5, 6) for index in range(charge_points))
    assert ranks == list(range(charge_points))


def test_each_part_of_a_fleet_and_each_group_connects_over_the_whole_time_of_a_ramp() -> None:
    fleet = scenario(1000, [9.0, 1.0])
    parts = [range(250), range(250, 500), range(500, 750), range(750, 1000)]
    rare = [index for index in range(1000) if group_of(fleet, index).name == "g1"]
    for members in (*parts, rare):
        tenths = Counter(int(rank_of(fleet, index) * 10) for index in members)
        assert max(tenths.values()) - min(tenths[tenth] for tenth in range(10)) <= 0.4 * len(members) / 10


def test_the_id_of_a_charge_point_has_its_number_and_id_tags_are_shared_in_turn() -> None:
    fleet = scenario(3, [1.0], ("A", "B"))
    assert [charge_point_id(fleet, index) for index in range(3)] == ["LT-000000", "LT-000001", "LT-000002"]
    assert [id_tag_of(fleet, index) for index in range(3)] == ["A", "B", "A"]
