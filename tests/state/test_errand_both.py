"""Two errands at once (`both` in state/errand.py), in a task and in an errand."""

from collections.abc import AsyncIterator

import pytest
import trio

from state.errand import both
from state.errors import StoreUnavailable
from tests.support.errands import Lane, Run, begin, fail, fail_after


@pytest.fixture
def lane() -> Lane:
    return Lane()


@pytest.fixture(params=["task", "errand"])
async def run(request: pytest.FixtureRequest) -> AsyncIterator[Run]:
    async with trio.open_nursery() as nursery:
        yield Run(nursery, task=request.param == "task")


async def test_both_send_their_commands_at_once_and_return_both_results(lane: Lane, run: Run) -> None:
    await run.begin(both(lane.ask("a"), lane.ask("b")))
    lane.send_unsent()
    assert b"".join(lane.sent) == b"ab"
    lane.reply(1)
    assert await run.ended() == []
    lane.reply(2)
    assert await run.ended() == [("a=1", "b=2")]


@pytest.mark.parametrize("turn", [1, -1])
async def test_an_error_of_one_is_raised_as_it_is_and_cancels_the_other(
    lane: Lane, run: Run, turn: int
) -> None:
    one, other = [fail_after(lane, "a"), lane.ask("b")][::turn]
    await run.begin(both(one, other))
    lane.send_unsent()
    for reply in (1, 2)[:: 1 if turn == 1 else -1][: 1 if turn == 1 else 2]:
        lane.reply(reply)
    assert [repr(one) for one in await run.ended()] == ["ValueError('a')"]
    while lane.pending.flight:
        lane.reply("late")
    assert len(await run.ended()) == 1


@pytest.mark.parametrize("turn", [1, -1])
async def test_one_that_fails_before_the_other_waits_ends_both(lane: Lane, run: Run, turn: int) -> None:
    await run.begin(both(*[fail(), lane.ask("b")][::turn]))
    [error] = await run.ended()
    assert isinstance(error, StoreUnavailable)
    lane.send_unsent()
    while lane.pending.flight:
        lane.reply("late")


async def test_of_two_errors_one_is_raised(lane: Lane, run: Run) -> None:
    await run.begin(both(fail_after(lane, "a"), fail_after(lane, "b")))
    lane.send_unsent()
    lane.reply(1, 2)
    assert [repr(one) for one in await run.ended()] == ["ValueError('a')"]
    assert [repr(one) for one in begin(both(fail(), fail())).ended] == [repr(StoreUnavailable("away"))]


async def test_both_end_with_their_caller(lane: Lane, run: Run) -> None:
    cleaned: list[str] = []

    async def ask(word: str) -> str:
        try:
            return await lane.ask(word)
        finally:
            cleaned.append(word)

    await run.begin(both(ask("a"), both(ask("b"), ask("c"))))
    lane.send_unsent()
    await run.cancel()
    assert sorted(cleaned) == ["a", "b", "c"]
    lane.reply(1, 2, 3)
    assert await run.ended() == []
    assert lane.pending.bytes == 0


async def test_both_may_be_nested(lane: Lane, run: Run) -> None:
    async def ask_twice(word: str) -> str:
        return await lane.ask(word) + await lane.ask(word * 2)

    await run.begin(both(both(lane.ask("a"), ask_twice("b")), both(lane.ask("c"), lane.ask("d"))))
    lane.send_unsent()
    lane.reply(1, 2, 3, 4)
    lane.send_unsent()
    lane.reply(5)
    assert await run.ended() == [(("a=1", "b=2bb=5"), ("c=3", "d=4"))]


async def test_an_error_of_nested_ones_cancels_all(lane: Lane, run: Run) -> None:
    await run.begin(both(both(lane.ask("a"), fail_after(lane, "b")), lane.ask("c")))
    lane.send_unsent()
    lane.reply(1, 2)
    assert [repr(one) for one in await run.ended()] == ["ValueError('b')"]
    lane.reply(3)
    assert len(await run.ended()) == 1


async def test_results_that_need_no_wait_are_returned_at_once(run: Run) -> None:
    async def give(word: str) -> str:
        return word

    await run.begin(both(give("a"), give("b")))
    assert await run.ended() == [("a", "b")]
