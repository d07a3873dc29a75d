"""The store may be away for a while: repeat a step until the store has it."""

from collections.abc import Awaitable, Callable

import trio

from state.errors import StoreUnavailable

RETRY_S = 1.0


async def until_stored[**P, T](step: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run an idempotent step until the store answers. Anything but StoreUnavailable is raised at once."""
    while True:
        try:
            return await step(*args, **kwargs)
        except StoreUnavailable:
            await trio.sleep(RETRY_S)
