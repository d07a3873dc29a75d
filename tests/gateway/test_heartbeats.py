from hypothesis import given
from hypothesis import strategies as st

from gateway.heartbeats import spread


@given(interval_s=st.integers(1, 86_400), percent=st.integers(0, 50), member=st.text())
def test_a_spread_interval_is_at_most_the_percentage_shorter(
    interval_s: int, percent: int, member: str
) -> None:
    found = spread(interval_s, percent, member)
    assert max(1, interval_s * (100 - percent) / 100) <= found <= interval_s


def test_without_a_percentage_every_charge_point_gets_exactly_the_interval() -> None:
    assert {spread(300, 0, f"demo/{number}") for number in range(1_000)} == {300}


def test_the_intervals_of_many_charge_points_are_spread_evenly() -> None:
    found = [spread(300, 10, f"demo/CP-{number}") for number in range(30_000)]
    assert set(found) == set(range(271, 301))
    counts = [found.count(interval_s) for interval_s in range(271, 301)]
    assert 800 < min(counts) <= max(counts) < 1_200


def test_the_interval_of_a_charge_point_never_changes() -> None:
    assert spread(300, 10, "demo/CP-1") == spread(300, 10, "demo/CP-1") == 279
