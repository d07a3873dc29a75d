"""Timers of periodic work.

All timers have jitter, because the nodes of a fleet often start together and would otherwise load the store
at the same moments.
"""

import random
from collections.abc import Awaitable, Callable

import structlog
import trio

from state.errors import StateError

log = structlog.get_logger()

JITTER = 0.1
"""A turn comes sooner or later by up to this part of its period."""

# Another generator than that of the module `random`: a program that seeds that one, as Hypothesis does, would
# let all timers run in step, and would notice that we use it.
_random = random.Random()  # noqa: S311  Jitter is no secret.


async def every[*Args](
    seconds: float, name: str, turn: Callable[[*Args], Awaitable[object]], *args: *Args
) -> None:
    """Run `turn` every `seconds`, for the first time somewhere within the first period.

    If a turn fails, for example because the store is unavailable, the next turn tries again.
    """
    await trio.sleep(between(0, seconds))
    while True:
        await contain(name, turn, *args)
        await trio.sleep(vary(seconds))


async def contain[*Args](name: str, turn: Callable[[*Args], Awaitable[object]], *args: *Args) -> bool:
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


def vary(seconds: float) -> float:
    return seconds * between(1 - JITTER, 1 + JITTER)


def between(low: float, high: float) -> float:
    """Return a random number for jitter."""
    return _random.uniform(low, high)
