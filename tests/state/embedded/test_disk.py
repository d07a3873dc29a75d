import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.embedded.disk import judge_disk
from state.redis.headroom import LEVELS, Level

FLOOR = 1000


@pytest.mark.parametrize(
    ("free", "level"), [(4000, "ok"), (3999, "low"), (1999, "scarce"), (1499, "full"), (0, "full")]
)
def test_the_level_of_a_disk_depends_on_the_multiple_of_the_floor_that_is_free(
    free: int, level: Level
) -> None:
    assert judge_disk(free, 50_000, FLOOR, 0, "ok").level == level


def test_a_disk_without_room_for_a_rewrite_of_the_data_files_is_low() -> None:
    assert judge_disk(9000, 50_000, FLOOR, 8001, "ok").level == "low"
    assert judge_disk(9000, 50_000, FLOOR, 8000, "ok").level == "ok"


def test_a_level_of_the_disk_ends_only_when_a_tenth_more_is_free() -> None:
    assert judge_disk(1600, 50_000, FLOOR, 0, "full").level == "full"
    assert judge_disk(1651, 50_000, FLOOR, 0, "full").level == "scarce"


@given(free=st.integers(0, 10**5), rewrite=st.integers(0, 10**5), before=st.sampled_from(LEVELS))
def test_less_free_disk_never_gives_a_better_level(free: int, rewrite: int, before: Level) -> None:
    now = judge_disk(free, 10**5, FLOOR, rewrite, before)
    less = judge_disk(free // 2, 10**5, FLOOR, rewrite, before)
    assert LEVELS.index(less.level) >= LEVELS.index(now.level)
    assert judge_disk(free, 10**5, FLOOR, rewrite, now.level).level == now.level
