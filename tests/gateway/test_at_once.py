from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio

from gateway.at_once import at_once
from state.errors import StoreUnavailable

type Work = Callable[[], Awaitable[str]]


async def give(word: str, *waits: trio.Event) -> str:
    for event in waits:
        await event.wait()
    return word


async def announce(word: str, event: trio.Event) -> str:
    event.set()
    return word


async def fail(*_: object) -> str:
    raise StoreUnavailable("away")


async def test_two_reads_that_are_run_at_once_do_not_wait_for_each_other() -> None:
    for turn in (1, -1):
        event = trio.Event()
        works: list[Work] = [partial(give, "a", event), partial(announce, "b", event)]
        with trio.fail_after(60):
            assert await at_once(*works[::turn]) == tuple(["a", "b"][::turn])


async def test_an_error_of_one_of_two_reads_is_raised_without_a_group_and_cancels_the_other() -> None:
    works: list[Work] = [fail, partial(give, "never", trio.Event())]
    for turn in (1, -1):
        with trio.fail_after(60), pytest.raises(StoreUnavailable):
            await at_once(*works[::turn])


async def test_two_reads_that_both_fail_raise_one_error() -> None:
    with pytest.raises(StoreUnavailable):
        await at_once(fail, fail)


async def test_two_reads_end_when_their_caller_is_cancelled() -> None:
    with trio.fail_after(60), trio.CancelScope() as scope:
        scope.cancel()
        await at_once(partial(give, "a", trio.Event()), partial(give, "b", trio.Event()))
    assert scope.cancelled_caught
