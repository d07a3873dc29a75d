import pytest

from loadtest.reports.figures import ALL, Figures
from tests.support.loadtest_results import latency, small

MADE = small(
    [
        latency("call", "Heartbeat", "ramp", "corrected", [0.010] * 3),
        latency("call", "Heartbeat", "hold", "corrected", [0.020] * 3),
        latency("call", "Authorize", "hold", "corrected", [0.5]),
        latency("call", "Authorize", "hold", "service", [0.1]),
        latency("phase", "back", "hold", "corrected", [9.0]),
        latency("phase", "tcp", "hold", "corrected", [0.001]),
        latency("phase", "upgrade", "hold", "corrected", [0.002]),
    ]
)


def test_rows_add_up_the_stages_of_each_action_and_end_with_all_calls() -> None:
    found = {row.name: row for row in Figures(MADE).rows("call")}
    assert list(found) == ["Authorize", "Heartbeat", ALL]
    assert [row.count for row in found.values()] == [1, 6, 7]
    assert found["Heartbeat"].mean == pytest.approx(0.015, rel=0.01)
    assert found[ALL].max == pytest.approx(0.5, rel=0.01)
    assert found[ALL].min == pytest.approx(0.010, rel=0.01)


def test_a_row_of_one_stage_and_clock_has_only_its_calls() -> None:
    figures = Figures(MADE)
    row = figures.row("call", stage="hold")
    assert row is not None
    assert row.count == 4
    assert figures.row("call", "service", name="Heartbeat") is None


def test_phases_have_the_order_in_which_a_charge_point_goes_through_them() -> None:
    assert [row.name for row in Figures(MADE).phases()] == ["tcp", "upgrade", "back"]
