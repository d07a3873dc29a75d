from array import array
from base64 import b64encode
from math import ceil

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from loadtest.measuring.histograms import (
    DIGITS,
    HIGHEST_US,
    LOWEST_US,
    SLICE_DIGITS,
    BadHistogram,
    Distribution,
    add,
    coarsen,
    count_buckets,
    encode,
)

values = st.lists(
    st.one_of(
        st.floats(min_value=0, max_value=3_000),
        st.floats(min_value=0, max_value=1e7),
        st.floats(min_value=0, max_value=2 * HIGHEST_US),
    ),
    min_size=1,
    max_size=60,
)


def _one_by_one(microseconds: list[float], digits: int = DIGITS) -> str:
    histogram = HdrHistogram(LOWEST_US, HIGHEST_US, digits)
    for value in microseconds:
        assert histogram.record_value(min(HIGHEST_US, max(LOWEST_US, int(value))))
    # A saved histogram knows the buckets of its least and its greatest value, but not the values.
    return str(HdrHistogram.decode(histogram.encode()).encode(), "ascii")


def _batch(microseconds: list[float]) -> str:
    return str(HdrHistogram.decode(encode(count_buckets(array("d", microseconds)))).encode(), "ascii")


@given(values)
def test_a_batch_of_durations_has_the_same_hdr_histogram_as_its_durations_one_by_one(
    microseconds: list[float],
) -> None:
    assert _batch(microseconds) == _one_by_one(microseconds)


@given(values)
def test_buckets_of_two_digits_are_those_of_an_hdr_histogram_of_two_digits(microseconds: list[float]) -> None:
    saved = encode(coarsen(count_buckets(array("d", microseconds))), SLICE_DIGITS)
    assert Distribution.of_hdr([saved]).__getstate__() == (
        Distribution.of_hdr([_one_by_one(microseconds, SLICE_DIGITS)]).__getstate__()
    )


@given(values, values)
def test_the_sum_of_two_saved_histograms_is_the_histogram_of_all_durations(
    one: list[float], other: list[float]
) -> None:
    both = Distribution.of_hdr([add([_batch(one), _batch(other)])])
    assert both.__getstate__() == Distribution.of_hdr([_batch(one + other)]).__getstate__()
    assert both.__getstate__() == Distribution.of_hdr([_batch(one), _batch(other)]).__getstate__()


@given(
    st.lists(st.floats(min_value=1, max_value=1e9), min_size=1, max_size=60),
    st.floats(min_value=0.1, max_value=100),
)
def test_percentiles_are_the_nearest_rank_within_a_thousandth(
    microseconds: list[float], percentile: float
) -> None:
    found = Distribution.of_buckets(count_buckets(array("d", microseconds)))
    ordered = sorted(microseconds)
    rank = max(1, ceil(len(ordered) * percentile / 100 - 1e-6))
    assert found.total == len(ordered)
    assert found.at(percentile) == pytest.approx(ordered[rank - 1] / 1e6, rel=0.001, abs=1e-6)
    assert found.at(percentile) * 1e6 >= int(ordered[rank - 1]) - 1e-3
    assert found.least == pytest.approx(ordered[0] / 1e6, rel=0.001, abs=1e-6)
    assert found.greatest == pytest.approx(ordered[-1] / 1e6, rel=0.001, abs=1e-6)
    assert found.mean == pytest.approx(sum(ordered) / len(ordered) / 1e6, rel=0.001, abs=1e-6)


def test_the_99th_percentile_of_160_durations_is_not_below_one_percent_of_them() -> None:
    found = Distribution(dict.fromkeys(range(1, 161), 1))
    assert found.at(99) == 159 / 1e6
    assert found.at(50) == 80 / 1e6
    assert found.at(100) == found.greatest == 160 / 1e6


def _with_digits(digits: int, highest: int = HIGHEST_US) -> str:
    return str(HdrHistogram(LOWEST_US, highest, digits).encode(), "ascii")


@pytest.mark.parametrize(
    "saved",
    [
        "",
        "not base64",
        str(b64encode(b"12345678 not an HdrHistogram"), "ascii"),
        encode({})[:-12],
        _with_digits(4),
        _with_digits(3, highest=600_000_000),
    ],
    ids=["nothing", "words", "another cookie", "cut", "four digits", "another range"],
)
def test_a_saved_histogram_that_this_release_did_not_make_is_refused(saved: str) -> None:
    with pytest.raises(BadHistogram, match=r"^a histogram "):
        add([saved])


def test_histograms_of_different_digits_are_not_added() -> None:
    with pytest.raises(BadHistogram, match="of two and of three digits"):
        add([encode({}, SLICE_DIGITS), encode({}, DIGITS)])
