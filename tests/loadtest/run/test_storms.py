from hypothesis import given
from hypothesis import strategies as st

from loadtest.run.storms import find_cuts
from loadtest.scenario.model import Storm


@given(st.integers(0, 2**63 - 1), st.floats(0, 1), st.integers(1, 4))
def test_a_storm_cuts_the_same_charge_points_at_the_same_times_however_the_fleet_is_divided(
    seed: int, share: float, number: int
) -> None:
    storm = Storm(stage="s", share=share, within_s=10)
    whole = list(find_cuts(storm, number, seed, 0, 100))
    assert whole == [*find_cuts(storm, number, seed, 0, 33), *find_cuts(storm, number, seed, 33, 100)]
    assert all(0 <= at < 10 for _, at in whole)


def test_a_storm_cuts_its_share_and_two_storms_cut_different_charge_points() -> None:
    storm = Storm(stage="s", share=0.3)
    first, second = ({index for index, _ in find_cuts(storm, number, 1, 0, 10_000)} for number in (0, 1))
    assert 2_800 < len(first) < 3_200
    assert 700 < len(first & second) < 1_100
    assert len(list(find_cuts(Storm(stage="s"), 0, 1, 0, 10_000))) == 10_000
