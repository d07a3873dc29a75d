"""Open the store, in a process that can wait for it or in a command that a person waits for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from state.errors import StoreUnavailable
from state.store.config import StoreConfig
from state.store.store import Store


@asynccontextmanager
async def start_store(config: StoreConfig) -> AsyncIterator[Store]:
    """Yield a store that connects in the background until it succeeds.

    Raises StoreRefused at once for a wrong configuration.
    """
    store = Store(config)
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.run)
        # The error is raised outside the nursery, which would wrap it in an ExceptionGroup.
        try:
            yield store
        except Exception as error:  # noqa: BLE001  Raised below.
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


@asynccontextmanager
async def open_store(config: StoreConfig, *, wait_s: float = 10.0) -> AsyncIterator[Store]:
    """Connect, check the server's settings and load the scripts, for a command that a person waits for.

    Raises StoreUnavailable if that takes longer than `wait_s`, and StoreRefused at once for wrong settings.
    """
    async with start_store(config) as store:
        with trio.move_on_after(wait_s) as waiting:
            await store.wait_opened()
        if waiting.cancelled_caught:
            raise store.trouble() or StoreUnavailable("the store disconnected again before it was ready")
        yield store
