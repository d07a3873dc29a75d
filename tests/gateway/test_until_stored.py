"""The function until_stored repeats a Lua step only while the store is away."""

import pytest
import trio
from trio.testing import MockClock

from gateway.until_stored import until_stored
from state.errors import LeaseLost, StateError, StoreUnavailable


class Step:
    """A stand-in for a Lua step. It raises the given errors, one per call, and then succeeds."""

    def __init__(self, *failures: StateError) -> None:
        self.failures = list(failures)

    async def __call__(self, given: int, *, twice: bool = False) -> int:
        if self.failures:
            raise self.failures.pop(0)
        return given * (1 + twice)


async def test_a_lua_step_that_fails_is_repeated_until_the_store_is_available_again(
    autojump_clock: MockClock,
) -> None:
    began = autojump_clock.current_time()
    assert await until_stored(Step(StoreUnavailable("away"), StoreUnavailable("away")), 3, twice=True) == 6
    assert trio.current_time() - began == pytest.approx(2)


async def test_a_lua_step_that_fails_while_the_store_is_available_raises_its_error() -> None:
    step = Step(LeaseLost("lost"), StoreUnavailable("away"))
    with pytest.raises(LeaseLost):
        await until_stored(step, 1)
    assert len(step.failures) == 1
