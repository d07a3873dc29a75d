"""What the soak makes of its samples."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.bench import Bench
from tests.chaos.soak import Sample, judge_files, judge_memory, lows, slope_of


@given(st.integers(-50, 50), st.sets(st.integers(0, 59), max_size=10))
def test_a_few_samples_that_are_far_off_do_not_change_the_slope(slope: int, far_off: set[int]) -> None:
    points = [(10.0 * n, 100_000 + 10 * n * slope + (50_000 if n in far_off else 0)) for n in range(60)]
    assert slope_of(points) == pytest.approx(slope, abs=max(1, abs(slope) / 2))


@given(st.integers(-50, 50), st.lists(st.integers(5_000, 10_000), min_size=60, max_size=60))
def test_what_is_free_between_two_times_of_giving_back_does_not_change_the_slope_of_the_lows(
    slope: int, free: list[int]
) -> None:
    points = [(10.0 * n, 100_000 + 10 * n * slope + (0 if n % 10 == 9 else free[n])) for n in range(60)]
    assert len(lows(points)) == 6
    assert slope_of(lows(points)) == pytest.approx(slope)


@pytest.mark.parametrize(
    ("kib_a_sample", "files_a_sample", "fails"), [(0, 0, 0), (1, 0, 1), (0, 1, 1), (-1, -1, 0)]
)
def test_a_process_that_grows_in_the_second_half_fails_the_soak(
    tmp_path: Path, kib_a_sample: int, files_a_sample: int, fails: int
) -> None:
    bench = Bench(tmp_path, 1.0, 1, minutes=None, aloud=False)
    warm_up = [Sample(10.0 * n, 1_000 * n, 1_000 * n, 0, 1_000 * n, n) for n in range(10)]
    flat = [
        Sample(10.0 * n, 9_000 + n * kib_a_sample, 8_000, 1_000, 9_000, 100 + n * files_a_sample)
        for n in range(10, 25)
    ]
    judge_memory(bench, "gateway 0", warm_up + flat)
    judge_files(bench, [warm_up + flat])
    assert len(bench.report.failures) == fails


def test_charge_points_that_move_between_the_gateways_do_not_fail_the_soak(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 1.0, 1, minutes=None, aloud=False)
    rising, falling = ([Sample(10.0 * n, 9, 8, 1, 9, 100 + way * n) for n in range(25)] for way in (1, -1))
    judge_files(bench, [rising, falling])
    assert not bench.report.failures
