import resource
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.run.dividing import (
    FILES_RESERVE,
    TooLarge,
    divide,
    find_process_count,
    find_source_addresses,
    raise_and_count_files,
)


@given(st.integers(0, 10_000), st.integers(0, 100_000), st.integers(1, 300))
def test_the_parts_of_a_fleet_cover_it_without_gaps_and_are_of_equal_size_within_one(
    first: int, size: int, number: int
) -> None:
    parts = divide(first, first + size, number)
    assert [index for one, end in parts[:3] for index in range(one, end)] == list(
        range(first, parts[:3][-1][1])
    )
    assert all(one[1] == other[0] for one, other in pairwise(parts))
    assert (parts[0][0], parts[-1][1], len(parts)) == (first, first + size, number)
    sizes = {end - one for one, end in parts}
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(1, 1_000_000), st.integers(1_000, 20_000), st.integers(1, 64))
def test_no_process_has_more_charge_points_than_it_may_open_files(
    charge_points: int, files: int, cores: int
) -> None:
    number = find_process_count(charge_points, None, files=files, cores=cores)
    assert max(end - first for first, end in divide(0, charge_points, number)) <= files - FILES_RESERVE


def test_a_small_fleet_has_one_process_and_a_large_one_uses_the_cores() -> None:
    assert find_process_count(100, None, files=20_000, cores=8) == 1
    assert find_process_count(15_000, None, files=20_000, cores=2) == 2
    assert find_process_count(19_500, None, files=20_000, cores=1) == 1
    assert find_process_count(19_501, None, files=20_000, cores=1) == 2


def test_too_few_processes_are_refused_with_the_number_that_is_needed() -> None:
    with pytest.raises(TooLarge, match="need 2 processes or more"):
        find_process_count(30_000, 1, files=20_000, cores=1)


def test_only_a_fleet_that_connects_to_this_machine_spreads_its_source_addresses() -> None:
    assert find_source_addresses("wss://127.0.0.1:1/{id}", 50_000, None) == 4
    assert find_source_addresses("ws://example.org/{id}", 50_000, None) == 0
    with pytest.raises(TooLarge, match=r"127\.0\.0\.1"):
        find_source_addresses("ws://example.org/{id}", 1, 2)


def test_a_process_may_open_as_many_files_as_the_system_allows() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limits[0], 512), limits[1]))
    try:
        assert 1_000 <= raise_and_count_files() <= 20_000
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == limits[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
