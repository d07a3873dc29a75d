from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.reports.columns import columns
from loadtest.results import Slices
from tests.support.loadtest_results import histogram, small

EMPTY = histogram([], digits=2)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1, max_size=50),
    st.integers(1, 60),
)
def test_columns_cover_the_run_and_keep_the_number_of_calls(counts: list[tuple[int, int]], most: int) -> None:
    calls = [one for one, _ in counts]
    slices = Slices(
        length=2.0,
        calls=calls,
        errors=calls,
        handshakes=calls,
        connected=[one for _, one in counts],
        booted=[one for _, one in counts],
        hdr=[EMPTY] * len(counts),
    )
    found = columns(small([], slices=slices), most)
    assert len(found) <= most
    assert (found[0].begin, found[-1].end) == (0, 2 * len(counts))
    assert all(one.end == other.begin for one, other in pairwise(found))
    assert sum(one.calls * (one.end - one.begin) for one in found) == pytest.approx(sum(calls))
    assert (found[-1].connected, found[-1].p99) == (counts[-1][1], None)


def test_the_latencies_of_slices_in_one_column_are_added_up() -> None:
    slices = Slices(
        length=1.0,
        calls=[99, 1, 0],
        errors=[0, 0, 6],
        handshakes=[0, 0, 0],
        connected=[5, 6, 7],
        booted=[4, 5, 6],
        hdr=[histogram([0.010] * 99, digits=2), histogram([2.0], digits=2), EMPTY],
    )
    first, second = columns(small([], slices=slices), 2)
    assert first.p50 == pytest.approx(0.010, rel=0.01)
    assert first.p99 == pytest.approx(0.010, rel=0.01)
    assert first.max == pytest.approx(2.0, rel=0.01)
    assert (first.connected, first.booted, first.calls) == (6, 5, 50)
    assert (second.p50, second.errors) == (None, 6)


def test_a_run_without_slices_has_no_columns() -> None:
    assert columns(small([])) == []
