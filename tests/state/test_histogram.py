import pytest

from state.histogram import BOUNDS_S, Histogram


def test_every_time_is_counted_in_the_first_bucket_that_is_large_enough() -> None:
    histogram = Histogram()
    for bound in BOUNDS_S:
        histogram.observe(bound)
    histogram.observe(BOUNDS_S[-1] * 2)
    assert histogram.counts == [1] * (len(BOUNDS_S) + 1)
    assert histogram.total_s == pytest.approx(sum(BOUNDS_S) + BOUNDS_S[-1] * 2)
