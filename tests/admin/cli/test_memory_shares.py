from hypothesis import given
from hypothesis import strategies as st

from admin.cli.memory_shares import divide


@given(total=st.integers(1 << 26, 1 << 42), workers=st.integers(1, 64))
def test_a_store_that_is_rewritten_leaves_a_fifth_of_the_memory_to_the_rest(total: int, workers: int) -> None:
    shares = divide(total, workers)
    assert 2 * shares.store <= 0.8 * total
    assert shares.store + workers * shares.gateway <= 0.8 * total
