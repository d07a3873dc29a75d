from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.reports.scales import Linear, Log, Spectrum, Times, name_latency, name_percentile

positive = st.floats(min_value=1e-5, max_value=1e5)


@given(positive, positive)
def test_a_logarithmic_axis_holds_its_values_and_has_ticks_apart_from_each_other(
    one: float, other: float
) -> None:
    least, greatest = sorted((one, other))
    axis = Log(least, greatest)
    assert 0 <= axis.at(least) <= axis.at(greatest) <= 1
    assert axis.least <= least * 1.0001
    assert axis.greatest >= greatest * 0.9999
    places = [axis.at(tick) for tick in axis.ticks()]
    assert len(places) >= 2
    assert all(later - earlier > 0.05 for earlier, later in pairwise(places))


@given(greatest=st.floats(min_value=0, max_value=1e9), whole=st.booleans())
def test_a_linear_axis_begins_at_0_and_holds_its_greatest_value(greatest: float, *, whole: bool) -> None:
    axis = Linear(greatest, whole=whole)
    ticks = axis.ticks()
    assert ticks[0] == 0
    assert ticks[-1] >= greatest * 0.999
    assert 2 <= len(ticks) <= 6
    assert not whole or all(tick == round(tick) for tick in ticks)


@given(st.floats(min_value=0, max_value=1e5), st.floats(min_value=0.01, max_value=1e6))
def test_an_axis_of_time_has_at_most_seven_ticks_in_its_span(begin: float, length: float) -> None:
    axis = Times(begin, begin + length)
    ticks = axis.ticks()
    assert len(ticks) <= 8
    assert all(axis.begin - 1e-6 <= tick <= axis.end + 1e-6 * (1 + axis.end) for tick in ticks)


def test_each_further_nine_takes_the_same_width() -> None:
    axis = Spectrum(100_000)
    assert axis.ticks() == pytest.approx([0, 50, 90, 99, 99.9, 99.99])
    assert [axis.at(tick) for tick in axis.ticks()] == pytest.approx(
        [0, 0.0602, 0.2, 0.4, 0.6, 0.8], abs=1e-4
    )
    assert axis.at(100) == 1


def test_ticks_have_no_digits_that_say_nothing() -> None:
    assert [name_latency(each) for each in (1e-5, 0.001, 0.05, 0.2, 1, 100)] == [
        "10 µs",
        "1 ms",
        "50 ms",
        "200 ms",
        "1 s",
        "100 s",
    ]
    assert [name_percentile(each) for each in (0.0, 50.0, 99.9, 99.999)] == [
        "0 %",
        "50 %",
        "99.9 %",
        "99.999 %",
    ]
