import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.latency import Latencies


@given(st.lists(st.floats(min_value=1e-5, max_value=100), min_size=1, max_size=200))
def test_the_percentiles_are_computed_from_the_recorded_durations(seconds: list[float]) -> None:
    latencies = Latencies()
    for each in seconds:
        latencies.record("Heartbeat", each)
    row, total = latencies.rows()
    ordered = sorted(seconds)
    assert (row.action, total.action) == ("Heartbeat", "all")
    assert msgspec.structs.replace(row, action="all") == total
    assert row.calls == len(seconds)
    assert row.mean == pytest.approx(sum(seconds) / len(seconds) * 1000, rel=0.002, abs=0.002)
    assert row.p50 == pytest.approx(ordered[(len(ordered) + 1) // 2 - 1] * 1000, rel=0.002, abs=0.002)
    assert row.maximum == pytest.approx(ordered[-1] * 1000, rel=0.002, abs=0.002)


def test_an_action_whose_calls_all_failed_still_has_a_row_of_its_own() -> None:
    latencies = Latencies()
    latencies.record_error("StopTransaction")
    row, total = latencies.rows()
    assert (row.action, row.calls, row.errors) == ("StopTransaction", 0, 1)
    assert total.errors == latencies.errors == 1
