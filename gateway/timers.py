"""Timers of periodic work.

All timers have jitter, because the nodes of a fleet often start together and would otherwise load the store
at the same moments.
"""

import math
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import batched, cycle

import structlog
import trio

from state.errors import StateError
from state.keys import PARTITIONS

log = structlog.get_logger()

JITTER = 0.1
"""A turn comes sooner or later by up to this part of its period."""
TURN_S = 1.0
"""Time between two turns of `visit`, if the period is not much longer than PARTITIONS turns.

A turn that writes may come more seldom, so that it writes more at once.
"""


async def every[*Args](
    seconds: float, name: str, turn: Callable[[*Args], Awaitable[None]], *args: *Args
) -> None:
    """Run `turn` every `seconds`, for the first time somewhere within the first period.

    If a turn fails, for example because the store is unavailable, the next turn tries again.
    """
    await trio.sleep(random.uniform(0, seconds))  # noqa: S311  Jitter is no secret.
    while True:
        await contain(name, turn, *args)
        await trio.sleep(_vary(seconds))


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
    first = random.randrange(PARTITIONS)  # noqa: S311  As above.
    order = [(first + number) % PARTITIONS for number in range(PARTITIONS)]
    missed: Iterable[int] = ()
    for some in cycle(list(batched(order, size, strict=False))):
        await trio.sleep(_vary(period_s * size / PARTITIONS))
        due = tuple(dict.fromkeys((*missed, *some)))
        missed = () if await contain(name, turn, due) else due


async def contain[*Args](name: str, turn: Callable[[*Args], Awaitable[None]], *args: *Args) -> bool:
    """Run one turn, and return whether it succeeded. An error is logged: the next turn tries again."""
    try:
        await turn(*args)
    except StateError as error:
        log.warning("housekeeping.turn_abandoned", turn=name, error=str(error))
    except Exception:
        log.exception("housekeeping.turn_failed", turn=name)
    else:
        return True
    return False


def _vary(seconds: float) -> float:
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  As above.
