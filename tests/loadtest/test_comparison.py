"""A comparison merges the latencies of each side's rounds, and computes the ratio of the two sides."""

import pytest

from loadtest.comparison import Side, ratios
from loadtest.latency import Latencies


def latencies(*milliseconds: float) -> Latencies:
    made = Latencies()
    for each in milliseconds:
        made.record("Heartbeat", each / 1000)
    return made


def test_the_latencies_of_several_rounds_are_merged() -> None:
    total = latencies(1, 2)
    total.add(latencies(3))
    other = latencies(4)
    other.record("Authorize", 0.005)
    other.record_error("Authorize")
    total.add(other)
    rows = {row.action: row for row in total.rows()}
    assert (rows["Heartbeat"].calls, rows["Authorize"].calls, rows["all"].errors) == (4, 1, 1)
    assert rows["all"].mean == pytest.approx(3, rel=0.01)
    assert rows["all"].maximum == pytest.approx(5, rel=0.01)


def test_a_comparison_computes_the_ratios_of_the_means_and_of_the_percentiles() -> None:
    without, with_silent = Side("without"), Side("with")
    without.calls.add(latencies(*[1.0] * 99, 10))
    with_silent.calls.add(latencies(*[2.0] * 99, 10))
    [calls, commands] = ratios(without, with_silent)
    assert calls.mean == pytest.approx(208 / 109, rel=0.01)
    assert calls.p99 == pytest.approx(2.0, rel=0.01)
    assert (commands.mean, commands.p99) == (0.0, 0.0)  # There were no commands.
