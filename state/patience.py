"""How a process that starts waits for its store, for as long as that takes."""

from collections.abc import Awaitable, Callable

import structlog
import trio

from state.errors import StoreUnavailable
from state.store import Store

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0

_log = structlog.get_logger()


async def wait_for(store: Store) -> None:
    """Wait until the store is available, and log now and then why it is not. Raises StoreRefused at once."""
    pause_s = _FIRST_PAUSE_S
    while True:
        with trio.move_on_after(pause_s):
            await store.wait_opened()
            return
        _log.warning("store.awaited", error=store.describe_trouble())
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


async def repeat_step[**P, T](step: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Repeat an idempotent step of the start while it raises StoreUnavailable."""
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            return await step(*args, **kwargs)
        except StoreUnavailable as error:
            _log.warning("store.awaited", error=str(error))
            await trio.sleep(pause_s)
            pause_s = min(2 * pause_s, 4 * _FIRST_PAUSE_S)
