"""Errands over the real queue of commands: results, errors, cancellation, order and memory."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import override

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from state.errand import both
from state.errors import StoreUnavailable
from state.store import Store
from tests.support.errands import Lane, Recorded, Work, begin, fail, fail_after


@pytest.fixture
def lane() -> Lane:
    return Lane()


async def test_an_errand_goes_on_with_each_reply_and_ends_with_the_last_one(lane: Lane) -> None:
    async def ask_twice() -> list[str]:
        return [await lane.ask("a"), await lane.ask("b")]

    errand = begin(ask_twice())
    assert (lane.sent, errand.ended) == ([b"a"], [])
    lane.reply(1)
    assert (lane.sent, errand.ended) == ([b"a", b"b"], [])
    lane.reply(2)
    assert errand.ended == [["a=1", "b=2"]]


async def test_an_error_of_an_errand_is_kept_for_its_end(lane: Lane) -> None:
    errand = begin(fail_after(lane, "a"))
    lane.reply(1)
    assert [repr(one) for one in errand.ended] == ["ValueError('a')"]
    assert [repr(one) for one in begin(fail()).ended] == [repr(StoreUnavailable("away"))]


async def test_a_reply_to_a_cancelled_errand_is_dropped(lane: Lane) -> None:
    cancelled, other = begin(lane.ask("a")), begin(lane.ask("b"))
    cancelled.cancel()
    lane.send_unsent()
    lane.reply(1, 2)
    assert (cancelled.ended, other.ended) == ([], ["b=2"])
    assert lane.pending.bytes == 0


async def test_an_errand_that_is_cancelled_before_its_command_is_sent_sends_nothing(lane: Lane) -> None:
    lane.pending.send_now = None
    cancelled, other = begin(lane.ask("a")), begin(lane.ask("b"))
    cancelled.cancel()
    lane.send_unsent()
    assert lane.sent == [b"b"]
    lane.reply(1)
    assert (cancelled.ended, other.ended) == ([], ["b=1"])


async def test_commands_of_one_turn_go_one_at_a_time_in_the_order_of_the_errands_and_tasks(
    lane: Lane, nursery: trio.Nursery
) -> None:
    ended: list[str] = []

    async def ask(word: str) -> None:
        ended.append(await lane.ask(word, "t/a"))

    begin(ask("a"))
    nursery.start_soon(ask, "b")
    await wait_all_tasks_blocked()
    begin(ask("c")).cancel()
    begin(ask("d"))
    while lane.pending.flight:
        lane.reply(len(lane.sent))
        await wait_all_tasks_blocked()
        lane.send_unsent()
    assert lane.sent == [b"a", b"b", b"d"]
    assert ended == ["a=1", "b=2", "d=3"]
    assert lane.pending._turns == {}


@pytest.mark.parametrize("turn", ["", "t/a"])
@pytest.mark.parametrize("way", ["expire", "fail_flight", "close"])
async def test_an_errand_gets_the_error_if_no_reply_comes(way: str, turn: str) -> None:
    lane = Lane()
    if way == "expire":
        lane.pending.send_now = None
    errands = [begin(lane.ask(word, turn)) for word in "abc"]
    match way:
        case "expire":
            lane.pending.expire(1e12)
        case "fail_flight":
            lane.send_unsent()
            for _ in errands:
                lane.pending.fail_flight("broken")
                lane.send_unsent()
        case _:
            lane.pending.close("closed")
    for errand in errands:
        [error] = errand.ended
        assert isinstance(error, StoreUnavailable)
    assert (lane.pending.bytes, lane.pending._turns) == (0, {})


async def test_an_errand_that_asks_again_after_its_command_expired_leaves_the_others_their_errors() -> None:
    lane = Lane()

    async def ask_again(word: str) -> str:
        try:
            return await lane.ask(word, "t/a")
        except StoreUnavailable:
            lane.pending.send_now = lane._send  # The lane is connected again.
            return await lane.ask(f"{word} again", "t/b")

    lane.pending.send_now = None
    first, second, third = begin(ask_again("a")), begin(lane.ask("b", "t/a")), begin(lane.ask("c", "t/a"))
    for waiter in (*lane.pending.unsent, *(lane.pending._turns["t/a"] or ())):
        waiter.at -= 61
    lane.pending.expire(monotonic())
    assert [len(one.ended) for one in (first, second, third)] == [0, 1, 1]
    lane.send_unsent()
    lane.reply(1)
    assert first.ended == ["a again=1"]


async def test_an_errand_fails_at_once_if_too_many_commands_wait() -> None:
    lane = Lane(max_commands=1)
    first, second = begin(lane.ask("a")), begin(lane.ask("b"))
    [error] = second.ended
    assert isinstance(error, StoreUnavailable)
    assert "too many commands" in str(error)
    lane.reply(1)
    assert first.ended == ["a=1"]


async def time_out() -> None:
    with trio.move_on_after(1):
        await trio.sleep_forever()


@pytest.mark.parametrize("wait", [trio.lowlevel.checkpoint, trio.Event().wait, trio.sleep_forever, time_out])
async def test_an_errand_that_waits_for_something_else_than_the_store_fails(
    wait: Callable[[], Work],
) -> None:
    async def wait_and_clean_up() -> None:
        try:
            await wait()
        finally:
            await trio.lowlevel.checkpoint()

    [error] = begin(wait_and_clean_up()).ended
    assert isinstance(error, RuntimeError)


async def test_errands_and_both_work_with_a_real_store(store: Store) -> None:
    async def count(name: str, times: int) -> int:
        for _ in range(times):
            await store.execute("INCR", name)
        return int(await store.execute("GET", name))

    done = trio.Event()

    class Last(Recorded):
        @override
        def end(self) -> None:
            super().end()
            done.set()

    errand = Last(both(count("a", 3), both(count("b", 5), count("c", 1))))
    assert not errand.run()
    with trio.fail_after(60):
        await done.wait()
    assert errand.ended == [(3, (5, 1))]
    await store.execute("DEL", "a", "b", "c")


@contextmanager
def no_garbage() -> Iterator[None]:
    """Fail if the block leaves objects that only the garbage collector frees."""
    gc.collect()
    gc.disable()
    try:
        yield
        assert gc.collect() == 0
    finally:
        gc.enable()


KINDS: dict[str, Callable[[Lane], Work]] = {
    "ask": lambda lane: lane.ask("a"),
    "fail": lambda lane: fail_after(lane, "a"),
    "both": lambda lane: both(lane.ask("a"), lane.ask("b")),
    "nested": lambda lane: both(both(lane.ask("a"), lane.ask("b")), both(lane.ask("c"), lane.ask("d"))),
    "one fails": lambda lane: both(fail_after(lane, "a"), lane.ask("b")),
    "the other fails": lambda lane: both(lane.ask("a"), fail_after(lane, "b")),
    "both fail": lambda lane: both(fail_after(lane, "a"), fail_after(lane, "b")),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["reply", "break", "cancel", "close"])
async def test_an_errand_that_has_ended_leaves_nothing_to_the_garbage_collector(kind: str, way: str) -> None:
    lane = Lane()
    with no_garbage():
        errand = begin(KINDS[kind](lane))
        lane.send_unsent()
        match way:
            case "reply":
                lane.reply_to_all()
            case "break":
                lane.pending.fail_flight("broken")
            case "close":
                lane.pending.close("closed")
            case _:
                errand.cancel()
                lane.reply_to_all()
        assert bool(errand.ended) is (way != "cancel")
        del errand


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["reply", "break"])
async def test_a_task_that_has_awaited_both_leaves_nothing_to_the_garbage_collector(
    kind: str, way: str
) -> None:
    lane = Lane()

    async def work() -> None:
        with suppress(ValueError, StoreUnavailable):
            await KINDS[kind](lane)

    async with trio.open_nursery() as nursery:
        with no_garbage():
            nursery.start_soon(work)
            await wait_all_tasks_blocked()
            lane.send_unsent()
            if way == "reply":
                lane.reply_to_all()
            else:
                lane.pending.fail_flight("broken")
            await wait_all_tasks_blocked()
