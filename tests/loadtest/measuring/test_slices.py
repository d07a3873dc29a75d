from collections import Counter
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.measuring import slices as slices_
from loadtest.measuring.histograms import Distribution
from loadtest.measuring.slices import Second, SliceList, merge_slices
from loadtest.results import Slices

number = st.integers(min_value=0, max_value=1_000)
seconds = st.builds(
    Second,
    connected=number,
    booted=number,
    calls=number,
    errors=number,
    handshakes=number,
    buckets=st.dictionaries(
        st.integers(min_value=1023 << 7, max_value=1040 << 7),
        st.integers(min_value=1, max_value=9),
        max_size=3,
    ).map(Counter),
)


def _record(all_: list[Second]) -> Slices:
    recorded = SliceList()
    for each in all_:
        recorded.add(each)
    return recorded.finish()


def _plus(one: Second, other: Second) -> Second:
    return Second(
        one.connected + other.connected,
        one.booted + other.booted,
        one.calls + other.calls,
        one.errors + other.errors,
        one.handshakes + other.handshakes,
        one.buckets + other.buckets,
    )


def _shown(found: Slices) -> tuple[object, ...]:
    distributions = [Distribution.of_hdr([saved]).__getstate__() for saved in found.hdr]
    columns = (found.connected, found.booted, found.calls, found.errors, found.handshakes)
    return (found.length, *columns, distributions)


@settings(max_examples=40)
@given(st.lists(st.tuples(seconds, seconds), min_size=1, max_size=24), st.sampled_from([0, 8, 16, 24]))
def test_slices_of_parts_add_up_to_the_slices_of_the_whole_whatever_their_lengths(
    pairs: list[tuple[Second, Second]], ended: int
) -> None:
    """The second part may end earlier than the first, at an edge of the longest slices."""
    ended = min(ended, len(pairs))
    with patch.object(slices_, "SLICES_MAX", 4):
        one = _record([first for first, _ in pairs])
        other = _record([second for _, second in pairs[:ended]])
        whole = _record(
            [_plus(first, second if at < ended else Second()) for at, (first, second) in enumerate(pairs)]
        )
    assert _shown(merge_slices([one, other])) == _shown(whole)


def test_a_long_run_has_a_bounded_number_of_slices_and_loses_nothing() -> None:
    found = _record([Second(connected=at, calls=1, buckets=Counter({1030 << 7: 1})) for at in range(5_000)])
    assert found.length == 16
    assert len(found.calls) == len(found.hdr) == 313
    assert sum(found.calls) == 5_000
    assert found.calls[0] == Distribution.of_hdr(found.hdr[:1]).total == 16
    assert (found.connected[0], found.connected[-1]) == (15, 4_999)
