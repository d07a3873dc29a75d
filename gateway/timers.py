"""The timer of work that goes through all partitions."""

import math
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import batched, cycle

import trio

from state.keys import PARTITIONS
from state.timers import contain, vary

TURN_S = 1.0
"""Time between two turns of `visit`, if the period is not much longer than PARTITIONS turns.

A turn that writes may come more seldom, so that it writes more at once.
"""


async def visit(
    period_s: float,
    name: str,
    turn: Callable[[Sequence[int]], Awaitable[None]],
    turn_s: float = TURN_S,
) -> None:
    """Run `turn` with all partitions once in each period, a few partitions at a time.

    The partitions of a turn that failed are visited again in the next turn.
    """
    size = math.ceil(PARTITIONS * turn_s / period_s)
    first = random.randrange(PARTITIONS)  # noqa: S311  Jitter is no secret.
    order = [(first + number) % PARTITIONS for number in range(PARTITIONS)]
    missed: Iterable[int] = ()
    for some in cycle(list(batched(order, size, strict=False))):
        await trio.sleep(vary(period_s * size / PARTITIONS))
        due = tuple(dict.fromkeys((*missed, *some)))
        missed = () if await contain(name, turn, due) else due
