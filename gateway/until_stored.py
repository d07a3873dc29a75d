"""Repeat a step while the store is away."""

from collections.abc import Awaitable, Callable

import trio

from state.errors import StoreUnavailable

RETRY_S = 1.0


async def until_stored[**P, T](step: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Repeat an idempotent step while it raises StoreUnavailable. Any other error is raised at once."""
    while True:
        try:
            return await step(*args, **kwargs)
        except StoreUnavailable:
            await trio.sleep(RETRY_S)
