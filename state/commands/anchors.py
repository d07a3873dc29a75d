"""Deadlines of commands after the server's clock was set.

A record has the deadline by the server's clock, and the time at which it was set. A process that has seen how
far the clock was set knows how much time is really left. It then sets the deadline again.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import monotonic
from typing import Any

from state import keys
from state.clock import STEP_MS
from state.keys import ChargePointKeys
from state.store import Store

_AT_ONCE = 500
_ATTEMPTS = 3
_FIELDS = ("deadline_ms", "created_ms", "anchored_ms")


async def ask(
    store: Store, of: ChargePointKeys, id_: str, step: Callable[[], Awaitable[list[Any]]]
) -> tuple[list[Any], float]:
    """Run a step, and return its reply and our monotonic time before it.

    If the step answers `late` only because the server's clock was set forward, set the deadline of the
    command again and run the step again. `late` comes with the server's time, the time at which the deadline
    was set, and the deadline.
    """
    attempts = 0
    while True:
        attempts += 1
        asked = monotonic()
        reply = await step()
        if reply[0] != b"late" or attempts == _ATTEMPTS or not await _keep(store, of, id_, reply[1:], asked):
            return reply, asked


async def _keep(store: Store, of: ChargePointKeys, id_: str, times: Sequence[Any], asked: float) -> bool:
    """Set the deadline of a late command again. False means that the deadline has passed."""
    now_ms, set_ms, deadline_ms = map(int, times)
    store.clock.learn_now(now_ms, asked)
    left_ms = int(store.clock.left_ms(now_ms, set_ms, deadline_ms))
    if left_ms <= 0:
        return False
    await store.step("commands/reanchor", *_call(of, id_, deadline_ms, left_ms), of=of.lease)
    return True


async def renew(store: Store, partitions: Iterable[int]) -> int:
    """Set the deadlines of all waiting commands in these partitions again, and return how many changed.

    A deadline that is right already stays as it is.
    """
    listed = await store.pipeline(
        [
            ("ZRANGE", deadlines(partition), 0, -1)
            for partition in partitions
            for deadlines in (keys.overdue, keys.waiting)
        ]
    )
    waiting = [entry.decode().partition(" ") for entries in listed for entry in entries]
    renewed = 0
    for first in range(0, len(waiting), _AT_ONCE):
        some = waiting[first : first + _AT_ONCE]
        found = await store.pipeline([("HMGET", keys.command(id_), *_FIELDS) for id_, _, _ in some])
        now_ms = store.server_time_ms()
        calls = []
        for (id_, _, member), (deadline, created, anchored) in zip(some, found, strict=True):
            if deadline is None:
                continue
            deadline_ms = int(deadline)
            left_ms = int(store.clock.left_ms(now_ms, int(anchored or created), deadline_ms))
            if abs(deadline_ms - now_ms - left_ms) >= STEP_MS:
                of = ChargePointKeys(*keys.split(member))
                calls.append(_call(of, id_, deadline_ms, left_ms))
        replies = await store.steps("commands/reanchor", calls)
        renewed += sum(word == b"anchored" for [word] in replies)
    return renewed


def _call(
    of: ChargePointKeys, id_: str, seen_ms: int, left_ms: int
) -> tuple[tuple[str, ...], tuple[str | int, ...]]:
    return (of.command(id_), of.overdue, of.waiting), (id_, of.member, seen_ms, left_ms)
