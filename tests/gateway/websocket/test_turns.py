"""The turns of TLS handshakes."""

from functools import partial
from math import inf

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from gateway.websocket import turns
from gateway.websocket.turns import AT_ONCE, TooBusy, Turns


async def take_step(of: Turns, taken: list[str], name: str, *, begun: bool = False) -> None:
    await of.take(begun=begun, patience_s=inf)
    taken.append(name)
    of.give_back()


async def take_all(of: Turns) -> None:
    for _ in range(AT_ONCE):
        assert not await of.take(begun=False, patience_s=inf)


async def test_few_handshakes_take_their_step_in_each_round_however_many_are_due() -> None:
    of, taken, rounds = Turns(), list[str](), 0
    async with trio.open_nursery() as nursery:
        for number in range(20 * AT_ONCE):
            nursery.start_soon(take_step, of, taken, str(number))
        while len(taken) < 20 * AT_ONCE:
            await trio.lowlevel.checkpoint()
            rounds += 1
    assert rounds >= 20


async def test_handshakes_that_have_begun_come_first_and_the_others_in_their_order() -> None:
    of, taken = Turns(), list[str]()
    await take_all(of)
    async with trio.open_nursery() as nursery:
        for name, begun in (("new 1", False), ("new 2", False), ("begun 1", True), ("begun 2", True)):
            nursery.start_soon(partial(take_step, of, taken, name, begun=begun))
            await wait_all_tasks_blocked()
        of.give_back()
    assert taken == ["begun 1", "begun 2", "new 1", "new 2"]


async def test_a_handshake_whose_turn_does_not_come_in_time_does_not_begin(autojump_clock: MockClock) -> None:
    of = Turns()
    await take_all(of)
    with pytest.raises(TooBusy):
        await of.take(begun=False, patience_s=4)
    assert autojump_clock.current_time() >= 4
    of.give_back()
    assert not await of.take(begun=False, patience_s=4)


async def test_a_handshake_that_is_cancelled_before_or_in_its_turn_keeps_nobody_from_theirs() -> None:
    of, taken = Turns(), list[str]()
    with trio.CancelScope() as scope:
        scope.cancel()
        await of.take(begun=False, patience_s=inf)
    await take_all(of)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(take_step, of, taken, "first")
        await wait_all_tasks_blocked()
        with pytest.raises(trio.TooSlowError), trio.fail_after(0):
            await of.take(begun=False, patience_s=inf)
        for _ in range(AT_ONCE):
            of.give_back()
    assert taken == ["first"]
    assert not of._taken


async def test_all_handshakes_of_a_process_share_their_turns() -> None:
    assert turns.get() is turns.get()
