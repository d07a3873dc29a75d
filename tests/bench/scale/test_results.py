import pytest

from loadtest.results import Slices
from tests.bench.scale.results import find_times_back, greatest_handshakes

BOOTED = [50, 100, 100, 100, 10, 20, 60, 99, 100, 100]
"""A storm at second 3, whose effect the slice that ends at second 4 does not show yet."""


def slices(length: float = 1.0, booted: list[int] = BOOTED) -> Slices:
    return Slices(length=length, booted=booted, handshakes=[0, 0, 50, 0, 5, 10, 40, 30, 1, 0])


def test_times_count_from_the_storm_to_the_end_of_the_slice() -> None:
    cut, back_s = find_times_back(slices(), at=3.0, until=10.0)
    assert cut == 90
    assert back_s == {"50%": 4.0, "99%": 5.0, "100%": 6.0}


def test_a_share_that_was_not_reached_in_the_stage_has_no_time() -> None:
    assert find_times_back(slices(), at=3.0, until=7.0)[1] == {"50%": 4.0, "99%": None, "100%": None}


def test_slices_may_be_longer_than_a_second() -> None:
    cut, back_s = find_times_back(slices(2.0), at=6.5, until=20.0)
    assert cut == 90
    assert back_s == {"50%": 7.5, "99%": 9.5, "100%": 11.5}


@pytest.mark.parametrize(("length", "most"), [(1.0, 40), (2.0, 20)])
def test_handshakes_are_those_of_the_storm(length: float, most: int) -> None:
    assert greatest_handshakes(slices(length), 3.0 * length, 9.0 * length) == most
