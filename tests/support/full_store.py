"""A store that has reached its `maxmemory`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.exceptions import ResponseError

from state.errors import StateError
from state.store import Store


@asynccontextmanager
async def full(store: Store) -> AsyncIterator[None]:
    """Let the server refuse every write that may take memory, with the limit really reached."""
    await store.execute("CONFIG", "SET", "maxmemory", "1mb")
    try:
        with pytest.raises((StateError, ResponseError), match="OOM"):
            await store.execute("SET", "more", "data")
        yield
    finally:
        await store.execute("CONFIG", "SET", "maxmemory", "0")
